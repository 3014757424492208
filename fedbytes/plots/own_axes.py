"""Figures drawn into axes of the caller's own, whose style and size stay the caller's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import is_color_like

_given: ContextVar[tuple[Axes, ...]] = ContextVar("own axes", default=())
_palette: ContextVar[Mapping[str, str] | None] = ContextVar("palette", default=None)


@contextmanager
def drawn_into(axes: Sequence[Axes]) -> Iterator[None]:
    """Draw what makes panels within the block into these axes, one for each panel."""
    token = _given.set(tuple(axes))
    try:
        yield
    finally:
        _given.reset(token)


@contextmanager
def coloured_by(palette: Mapping[str, str]) -> Iterator[None]:
    """Give methods these colours within the block; others keep their own.

    Raises:
        ValueError: for what matplotlib does not know as a colour.
    """
    for method, colour in palette.items():
        if not is_color_like(colour):
            raise ValueError(f"palette: {colour!r} of {method!r} is no colour")
    token = _palette.set(palette)
    try:
        yield
    finally:
        _palette.reset(token)


def own_axes() -> tuple[Axes, ...]:
    """Return the axes to draw into; none where a figure makes its own."""
    return _given.get()


def own_panels(titles: Sequence[str]) -> list[Axes]:
    """Return the caller's axes for panels with such titles; several get them.

    Raises:
        ValueError: if there are not as many.
    """
    axes = [*own_axes()]
    if len(axes) != len(titles):
        count = f"{len(titles)} panel" + ("s" if len(titles) != 1 else "")
        raise ValueError(
            f"this figure has {count} and ax is {len(axes)}: give as many axes in a list, or a "
            "store of one setting"
        )
    for axis, title in zip(axes, titles, strict=True):
        if len(axes) > 1:
            axis.set_title(title)
    return axes


def own_colour(method: str) -> str | None:
    """Return the caller's colour of a method, if it has one."""
    return (_palette.get() or {}).get(method)


def add_own_legend(handles: Sequence[Any], labels: Sequence[str], title: str | None) -> None:
    """Put a legend into the last of the caller's axes."""
    own_axes()[-1].legend(handles=list(handles), labels=list(labels), title=title)
