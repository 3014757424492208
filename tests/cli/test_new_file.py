"""What `fedbytes new` writes works as it is written."""

from contextlib import ExitStack

import pytest

from fedbytes.cli import app
from fedbytes.cli.registries import all_registries
from fedbytes.experiments import load_suite

PLUGINS = ("codec", "partitioner", "algorithm", "task")


@pytest.fixture(autouse=True)
def isolated():
    with ExitStack() as stack:
        for registry in all_registries().values():
            stack.enter_context(registry.isolated())
        yield


def call(*words):
    return app([str(word) for word in words], standalone_mode=False)


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_template_passes_its_check_as_written(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call("new", kind, f"my-{kind}")
    path = tmp_path / f"my_{kind}.py"
    assert f"next: fedbytes check {path.name}" in capsys.readouterr().out
    assert call("check", path) == 0, capsys.readouterr().out
    assert f"{kind} my-{kind}" in capsys.readouterr().out


def test_a_suite_expands_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("new", "suite", "mine")
    suite = load_suite("mine.yaml")
    assert suite.name == "mine"
    assert len(suite.expand()) == 12


def test_a_plugin_of_a_suite_loses_the_default_fields_that_it_does_not_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("new", "partitioner", "my-split")
    suite = load_suite({"name": "s", "plugins": ["my_split.py"]})
    (config,) = suite.expand(["partition.name=my-split"])
    assert config.partition == {
        "name": "my-split", "mixed": 0.2, "num_clients": 10, "factor": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["codex", "mine"], "did you mean 'codec'"),
        (["codec", "topk"], "there is a codec 'topk' already"),
        (["suite", "quickstart"], "there is a suite 'quickstart' already"),
        (["codec", "My Codec"], "must be small letters"),
        (["codec", "class"], "is a word of Python"),
        (["task", "json"], "would hide Python's own module json"),
        (["codec", "mine", "--out", "mine.yaml"], r"is a \.py file"),
    ],
)
def test_mistakes_are_refused_and_write_nothing(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        call("new", *words)
    assert not [*tmp_path.iterdir()]


def test_a_file_is_never_written_over(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("precious")
    with pytest.raises(ValueError, match="exists: give another name"):
        call("new", "codec", "mine", "--out", path)
    assert path.read_text() == "precious"
