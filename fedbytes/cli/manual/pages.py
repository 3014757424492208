"""The pages of the documentation, as a wheel brings them or as a checkout has them."""

from pathlib import Path

from fedbytes.registry import hint_at_nearest

PACKAGED = "pages"
"""Folder of the package that the pages are copied to when a wheel is built (`setup.py`)."""
_PLAIN = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")


def pages() -> dict[str, Path]:
    """Return the file of each page by its name, such as `links`, `wire/sparse`, `results/codecs`.

    Raises:
        ValueError: if there are none here.
    """
    root = _root()
    found = {"readme" if path.stem == "README" else path.stem.lower(): path for path in _top(root)}
    for path in sorted((root / "docs").rglob("*.md")):
        inside = path.relative_to(root / "docs").with_suffix("")
        if inside.name == "README":
            inside = inside.parent
        elif inside.parts[0] == "results":  # tables, which their pages show
            continue
        found[inside.as_posix()] = path
    return found


def find_page(name: str) -> Path:
    """Return the file of a page by its name or its path, such as `links` or `docs/links.md`.

    Raises:
        ValueError: for a page that is not there.
    """
    known = pages()
    asked = name.removeprefix("docs/").removesuffix(".md").removesuffix("/README")
    found = known.get(asked) or known.get(asked.lower())
    if found is None:
        like = hint_at_nearest(asked, known)
        raise ValueError(f"there is no page {name!r}{like} (`fedbytes docs` lists them)")
    return found


def title(path: Path) -> str:
    """Return the first heading of a page."""
    with path.open(encoding="utf-8") as file:
        return next((line.lstrip("# ").rstrip() for line in file if line.startswith("# ")), "")


def _root() -> Path:
    """Return the folder in which `README.md` and `docs` lie."""
    package = Path(__file__).parents[2]
    for root in (package / PACKAGED, package.parent):
        if (root / "docs" / "concepts.md").is_file():
            return root
    raise ValueError(
        "this installation has no pages: install fedbytes from a wheel, or run a checkout"
    )


def _top(root: Path) -> list[Path]:
    return [path for name in _PLAIN if (path := root / name).is_file()]
