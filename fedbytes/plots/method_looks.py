"""One look a method, in every figure of every page: a hue by family, a marker by name.

Where hues alone part the marks of a figure, `spread_hues` gives each its own.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.lines import Line2D

from fedbytes.plots.own_axes import own_colour

INK, PAPER, GRID, FAINT = "#1b1b1b", "#fefefe", "#dcdcdc", "#b4b4b4"
# Six hues that people with any colour vision tell apart, each lighter than the one before, so that
# a grey print does too.
COLOURS = ("#1b3a93", "#b0281a", "#00805c", "#b867a8", "#dd8f0d", "#72c2ea")
# No arrows to the left or right, which mean "beyond the axis" and "at least so much".
MARKERS = ("s", "^", "D", "v", "P", "X", "h", "8", "p", "*", "d")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (7, 1, 1, 1, 1, 1)),
    (0, (1, 2.5)),
)
# Registered codecs by how they save bytes; a hue each. Others have a hue by their name.
_FAMILIES = (
    ("nf4", "bf16", "fp16", "fp8", "fp4", "int"),
    ("topk", "randk", "chunked_topk", "stc", "threshold", "dgc"),
    ("sign", "signsgd", "qsgd", "onebit", "terngrad", "natural", "correlated"),
    ("lora_klt", "powersgd", "sketch", "chain", "rules", "budget"),
    ("ecsq", "tcq", "fixed"),
    ("eden", "drive", "quicfl", "thc"),
)
_FIRST_MARKERS = (0, 2, 4, 5, 1, 3)  # of each family, so that marks differ where hues are one grey
_KNOWN = {
    name: (hue, (_FIRST_MARKERS[hue] + member) % len(MARKERS))
    for hue, names in enumerate(_FAMILIES)
    for member, name in enumerate(names)
}
_PLAIN = "fp32"


@dataclass(frozen=True)
class LineStyle:
    """How one method is drawn in every figure."""

    color: str
    marker: str
    linestyle: Any

    def handle(self, label: str) -> Line2D:
        """Return the method's entry in a legend."""
        return Line2D(
            [], [], color=self.color, marker=self.marker, linestyle=self.linestyle, label=label
        )


_BASELINE = LineStyle(INK, "o", "-")
_UNCOMPRESSED = LineStyle("#6a6a6a", "o", DASHES[1])


def registered_name(method: str) -> str | None:
    """Return the first word of a method's label that is a codec's registered name, if any is."""
    words = re.findall(r"\w+", method)
    return next((word for word in words if word in _KNOWN or word == _PLAIN), None)


def assign_line_styles(codecs: Sequence[str], baseline: str | None) -> dict[str, LineStyle]:
    """Return a look per method; the baseline is a solid line in ink with round markers.

    A method's hue and marker follow from its name and not from what else is drawn. Only where two
    would look alike, such as one codec at two rates, does the later by name get the next marker.
    """
    taken: set[tuple[int, int]] = set()
    found: dict[str, LineStyle] = {} if baseline is None else {baseline: _BASELINE}
    for codec in sorted(set(codecs) - {baseline}, key=lambda name: (len(name), name)):
        name = registered_name(codec)
        if name == _PLAIN and _UNCOMPRESSED not in found.values():
            found[codec] = _UNCOMPRESSED
            continue
        hue, marker = _free(*_KNOWN.get(name or "", _hashed(codec)), taken)
        taken.add((hue, marker))
        found[codec] = LineStyle(COLOURS[hue], MARKERS[marker], DASHES[marker % len(DASHES)])
    order = dict.fromkeys([*([] if baseline is None else [baseline]), *codecs])
    return {
        codec: replace(found[codec], color=_own_colour(codec) or found[codec].color)
        for codec in order
    }


def spread_hues(styles: Mapping[str, LineStyle]) -> dict[str, LineStyle]:
    """Return the looks with no hue twice while another is free, for marks that only hues part.

    The first to have a hue keeps it. Of three methods of which two are green, the second of these
    gets the first hue that none of the three has.
    """
    free = [hue for hue in COLOURS if hue not in {style.color for style in styles.values()}]
    seen: set[str] = set()
    found = {}
    for method, style in styles.items():
        if style.color in seen and style.color in COLOURS and free and not _own_colour(method):
            style = replace(style, color=free.pop(0))
        seen.add(style.color)
        found[method] = style
    return found


def _own_colour(method: str) -> str | None:
    """Return the caller's colour of a method, whose rate the caller has not written."""
    return own_colour(method) or own_colour(re.sub(r", [\d.]+\sbit$", "", method))


def _hashed(name: str) -> tuple[int, int]:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    return digest[0] % len(COLOURS), digest[1] % len(MARKERS)


def _free(hue: int, marker: int, taken: set[tuple[int, int]]) -> tuple[int, int]:
    """Return the look itself, or the next marker of its hue, or of the next hue, that is free."""
    for shift in range(len(COLOURS)):
        for turn in range(len(MARKERS)):
            look = (hue + shift) % len(COLOURS), (marker + turn) % len(MARKERS)
            if look not in taken:
                return look
    return hue, marker
