"""Names what is drawn: an SVG's marks say their method, and their numbers where one hovers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fedbytes.labels import single_line


@dataclass(frozen=True)
class _Mark:
    method: str | None
    titles: tuple[str, ...]


_marks: "WeakKeyDictionary[Artist, _Mark]" = WeakKeyDictionary()


def mark(artist: Artist, method: str | None, titles: str | Sequence[str] = ()) -> None:
    """Say whose an artist is, and what it shows: one text for all of it, or one a point.

    Args:
        artist: whatever was drawn.
        method: the label; None for what belongs to none, such as a target.
        titles: shown where one hovers over it in an SVG.
    """
    texts = (titles,) if isinstance(titles, str) else tuple(titles)
    _marks[artist] = _Mark(method, tuple(map(single_line, texts)))


def number_marks(figure: Figure) -> dict[str, _Mark]:
    """Give every artist that was marked a gid, in drawing order; return the marks by gid."""
    found: dict[str, _Mark] = {}
    for artist in figure.findobj(lambda one: one in _marks):
        name = f"mark_{len(found)}"
        artist.set_gid(name)
        found[name] = _marks[artist]
    return found


def write_marks(svg: str, marks: dict[str, _Mark]) -> str:
    """Return an SVG whose groups have `data-method`, and `<title>` elements to hover over."""
    if not marks:
        return svg
    pieces: list[str] = []
    open_groups: list[tuple[int, _Mark | None]] = []  # where in `pieces` each begins
    last = 0
    for tag in _TAG.finditer(svg):
        pieces.append(svg[last : tag.start()])
        last = tag.end()
        if tag[0] != "</g>":
            found = marks.get(tag["name"] or "")
            pieces.append(_open(tag[0], found))
            open_groups.append((len(pieces), found))
            continue
        start, found = open_groups.pop()
        if found is not None and found.titles:
            pieces[start:] = [_title("".join(pieces[start:]), found.titles)]
        pieces.append("</g>")
    return "".join([*pieces, svg[last:]])


_TAG = re.compile(r'<g(?: id="(?P<name>[^"]*)")?[^>]*>|</g>')


def _open(tag: str, found: _Mark | None) -> str:
    if found is None or found.method is None:
        return tag
    return f'{tag[:-1]} data-method="{escape(found.method)}">'


def _title(inner: str, titles: Sequence[str]) -> str:
    """Title each marker; where some are not drawn, nobody knows which, and all have one title."""
    if len(titles) == 1 or len(_USE.findall(inner)) != len(titles):
        words = titles[0] if len(titles) == 1 else f"{titles[0]} … {titles[-1]}"
        return f"<title>{escape(words)}</title>{inner}"
    left = iter(titles)
    return _USE.sub(
        lambda use: f"<use {use[1].rstrip()}><title>{escape(next(left))}</title></use>", inner
    )


_USE = re.compile(r"<use ([^>]*)/>")
