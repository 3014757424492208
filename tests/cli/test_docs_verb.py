"""`fedbytes docs`, and that every page which a message or a docstring names is one of it."""

import re
from pathlib import Path

import pytest

import fedbytes as package
from fedbytes.cli.manual.docs import show_docs
from fedbytes.cli.manual.pages import find_page, pages, title

SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))
NAMED = re.compile(r"(?:docs/|fedbytes docs )((?!PAGE)[a-z][\w/-]*[\w])")


def named() -> dict[str, Path]:
    """Return the pages that the package's sources name, each with a file that does."""
    found: dict[str, Path] = {}
    for path in SOURCES:
        for name in NAMED.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def test_every_page_that_is_named_is_there():
    missing = {name: path.name for name, path in named().items() if name not in pages()}
    assert missing == {}
    assert {"wire", "large-models", "add-an-attack-or-defense"} <= set(named())


def test_messages_name_pages_by_the_command_that_shows_them():
    """A path such as docs/x.md is of the repository, which a wheel has not."""
    said = re.compile(r'^\s+f?"(?!"")[^\n]*docs/[\w-]+\.md', re.M)
    found = ((path.name, said.findall(path.read_text(encoding="utf-8"))) for path in SOURCES)
    paths = [(name, lines) for name, lines in found if lines]
    assert paths == []


@pytest.mark.parametrize("name", ["links", "docs/links.md", "LINKS", "results/codecs/README.md"])
def test_a_page_is_found_by_its_name_or_its_path(name):
    assert find_page(name).is_file()


def test_every_page_has_a_title_and_a_name_of_one_word():
    for name, path in pages().items():
        assert title(path), path
        assert " " not in name


def test_a_page_is_printed_as_it_is(capsys):
    show_docs("links")
    assert capsys.readouterr().out == pages()["links"].read_text(encoding="utf-8")


def test_pages_are_listed_with_their_titles(capsys):
    show_docs()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(pages())
    assert "concepts Concepts" in lines


def test_an_unknown_page_is_told_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"no page 'lnks'; did you mean 'links'\? \(`fedbytes docs`"
    ):
        find_page("lnks")


def test_a_path_is_of_one_page():
    with pytest.raises(ValueError, match="--path is of one page"):
        show_docs(path=True)
