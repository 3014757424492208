"""How wide a figure is: a column or a page of a paper, or a slide."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

CanvasName: TypeAlias = Literal["column", "page", "slide"]


@dataclass(frozen=True)
class Canvas:
    """A figure's width.

    Attributes:
        inches: of the figure.
        scale: of its texts, lines and distances; layouts reckon in inches before it.
    """

    inches: float
    scale: float = 1.0

    @property
    def width(self) -> float:
        """The width before the scale, which is what texts have to fit in."""
        return self.inches / self.scale


# Texts have 8 points or more at this width, on a slide 11.
_CANVASES = {"column": Canvas(3.4), "page": Canvas(7.0), "slide": Canvas(10.0, 1.4)}
_now: ContextVar[Canvas] = ContextVar("canvas", default=_CANVASES["page"])


def canvas() -> Canvas:
    """Return the canvas that figures are drawn on now; a page unless `draw_on` says else."""
    return _now.get()


@contextmanager
def draw_on(name: str) -> Iterator[Canvas]:
    """Draw on another canvas within a block.

    Raises:
        ValueError: for a name that is none of column, page and slide.
    """
    if name not in _CANVASES:
        known = ", ".join(get_args(CanvasName))
        raise ValueError(f"a figure's width is one of {known}, got {name!r}")
    token = _now.set(_CANVASES[name])
    try:
        yield _now.get()
    finally:
        _now.reset(token)
