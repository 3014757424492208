"""Texts of users as figures show them: in glyphs that exist, cut or wrapped to their place."""

import functools
import warnings
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text

from fedbytes.labels import single_line

FAMILY = "DejaVu Sans"
"""The font of all figures; it comes with matplotlib."""
MISSING = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character that no installed font has."""
_POINTS = 8.0
_BOLD = 1.12  # times the width of regular letters
# Fonts whose code points are not Unicode's, and one that has a box for everything.
_UNUSABLE = ("cm", "STIXNonUnicode", "STIXSize", "Last Resort")


def drawable(text: object) -> str:
    """Return a text as one line of characters that a figure can draw."""
    line = single_line(text)
    if line.isascii():
        return line
    return "".join(char if _has_glyph(char) else MISSING for char in line if not _is_mark(char))


def inches(text: str, points: float = _POINTS, bold: bool = False) -> float:
    """Return about how wide a text is drawn."""
    ems = sum(_advance(char) for char in text)
    return ems * points / 72 * (_BOLD if bold else 1.0)


def cut(text: str, width: float, points: float = _POINTS, bold: bool = False) -> str:
    """Cut a text in its middle to `width` inches: names often differ at their ends."""
    if inches(text, points, bold) <= width:
        return text
    text = text.strip()
    low, high = 0, len(text)  # letters that are kept
    while low < high:
        kept = (low + high + 1) // 2
        fits = inches(_without_middle(text, kept), points, bold) <= width
        low, high = (kept, high) if fits else (low, kept - 1)
    return _without_middle(text, max(low, 2))


def wrap(text: str, width: float, lines: int, points: float = _POINTS, bold: bool = False) -> str:
    """Break a text into at most `lines` lines of `width` inches; more of it is cut."""
    if inches(text, points, bold) <= width:
        return text
    for share in (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5):
        found = _filled(cut(text, width * lines * share, points, bold), width, points, bold)
        if len(found) <= lines:
            break
    return "\n".join(found[:lines])


def distinct(names: Iterable[object], width: float, points: float = _POINTS) -> dict[str, str]:
    """Return how names are shown, each at most `width` inches and no two alike."""
    shown: dict[str, str] = {}
    used: set[str] = set()
    for name in dict.fromkeys(map(str, names)):
        plain = drawable(name) or "(no name)"
        short, number = cut(plain, width, points), 1
        while short in used:
            number += 1
            mark = f" ({number})"
            short = cut(plain, width - inches(mark, points), points) + mark
        used.add(short)
        shown[name] = short
    return shown


def finish_texts(figure: Figure) -> bool:
    """Give every text of a figure glyphs that exist; return whether some characters have none.

    Texts that were written without `drawable` are corrected, ticks of numbers excepted.
    """
    ticks = {id(text) for text in _tick_texts(figure)}
    missing = False
    for text in figure.findobj(Text):
        words = text.get_text()
        if words.isascii():
            continue
        if id(text) not in ticks:
            words = "\n".join(map(drawable, words.split("\n")))
            text.set_text(words)
        missing = missing or MISSING in words
        families = _families(words)
        if families:
            text.set_fontfamily([FAMILY, *families])
    return missing


def _tick_texts(figure: Figure) -> list[Text]:
    axes = [axis for axis in figure.findobj(Axis) if isinstance(axis, Axis)]
    return [text for axis in axes for text in axis.get_ticklabels(which="both")]


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    head = text[: kept - tail].rstrip()
    return f"{head}…{text[len(text) - tail :].lstrip()}"


def _filled(text: str, width: float, points: float, bold: bool) -> list[str]:
    """Return the lines of a text, broken at spaces, or anywhere in words that are too long."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if inches(longer, points, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while inches(line, points, bold) > width:
            fits = next(
                n for n in range(len(line), 0, -1)
                if n == 1 or inches(line[:n], points, bold) <= width
            )  # fmt: skip
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line] if line else lines


def _is_mark(char: str) -> bool:
    """Return whether a character only joins others; without shaping it is drawn as a box."""
    return char in "\u200c\u200d" or "\ufe00" <= char <= "\ufe0f"


def _has_glyph(char: str) -> bool:
    return ord(char) in _glyphs(_base()) or _fallback(char) is not None


def _families(text: str) -> list[str]:
    found = (_fallback(char) for char in text if ord(char) not in _glyphs(_base()))
    return list(dict.fromkeys(family for family in found if family is not None))


@functools.cache
def _base() -> str:
    return str(fontManager.findfont(FontProperties(family=FAMILY)))


@functools.cache
def _glyphs(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that cannot be read has nothing to offer
        return frozenset()


@functools.cache
def _fallback(char: str) -> str | None:
    """Return the installed family that draws a character which the figures' font lacks."""
    for name, path in _installed():
        if ord(char) in _glyphs(path):
            return name
    return None


@functools.cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Return name and file of the families that can help, plain sans serif ones first."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for font in sorted(fontManager.ttflist, key=lambda f: (f.name, f.fname)):
            plain = font.style == "normal" and font.weight in (400, "normal", "regular", "book")
            usable = not font.name.startswith(_UNUSABLE) and Path(font.fname).suffix != ".afm"
            if plain and usable and font.name != FAMILY:
                found.setdefault(font.name, font.fname)
    return tuple(sorted(found.items(), key=lambda item: ("Sans" not in item[0], item[0])))


@functools.cache
def _advance(char: str) -> float:
    """Return a character's width in ems; of one from another font, one em."""
    if ord(char) not in _glyphs(_base()):
        return 1.0
    font = get_font(_base())
    font.set_size(100.0, 72)
    return float(font.load_char(ord(char)).linearHoriAdvance) / 65536 / 100.0
