"""Where a name may stand in a panel, and what it would hide there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

_NEAR = 14.0  # points: beyond, a line leads to what is named
_ROUND = [side * turn * pi / 12 for turn in (0, 3, 6, 9, 12, 1, 2, 4, 5, 7, 8, 10, 11)
          for side in ((1, -1) if turn % 12 else (1,))]  # fmt: skip
_REACH = (9.0, 14.0, 21.0, 32.0, 46.0, 62.0, 82.0, 106.0, 135.0)  # points from what is named
_ASIDE = (0.0, 0.25, -0.25, 0.45, -0.45)  # widths, of a name above or below what it names
_STEP = 3.0  # pixels
_APART = 9.0  # points: a curve nearer than this could be meant instead
_HIDES, _BESIDE, _CROSSES, _FAR = 3.0, 0.5, 0.4, 0.25
_INSIDE, _MIXED, _OVER = 6.0, 2.0, 60.0
"""What a name costs: for each bit that it hides, of another named curve beside it, that its leader
crosses, and point of distance; inside a curve instead of at its end; for each point that another
named curve is nearer than `_APART`; and for a leader over another name."""
_CLEARLY = 2.2  # so much nearer than other named curves is what needs no line
_TOO_MUCH = 100.0  # of cost: what follows is better said elsewhere than here
_IMPOSSIBLE = 1e6


@dataclass(frozen=True)
class Spot:
    """Where a name may stand, in pixels: its box (left, bottom, right, top), and what it names.

    `led` says whether a line leads from the one to the other.
    """

    cost: float
    box: NDArray[np.float64]
    point: NDArray[np.float64]
    led: bool

    @property
    def middle(self) -> NDArray[np.float64]:
        """The middle of the box."""
        return np.asarray((self.box[:2] + self.box[2:]) / 2)

    def leader(self) -> NDArray[np.float64]:
        """Return points along the line from the box to what is named, if there is one."""
        if not self.led:
            return np.empty((0, 2))
        edge = np.clip(self.point, self.box[:2], self.box[2:])
        return np.asarray(edge + (self.point - edge) * np.linspace(0.05, 0.95, 40)[:, None])


@dataclass(frozen=True, eq=False)
class PanelSpace:
    """What is in a panel, in pixels: its frame, lines and marks, and texts.

    Attributes:
        frame: left, bottom, right, top.
        point: pixels of a typographic point.
        drawn: [bits, 2] points along lines, and marks.
        taken: boxes of texts.
    """

    frame: NDArray[np.float64]
    point: float
    drawn: NDArray[np.float64]
    taken: Sequence[NDArray[np.float64]]

    def with_names(self, spots: Iterable[Spot]) -> "PanelSpace":
        """Return the panel with names and their leaders in it."""
        there = [*spots]
        drawn = np.concatenate([self.drawn, *(spot.leader() for spot in there)])
        taken = [*self.taken, *(spot.box for spot in there)]
        return PanelSpace(self.frame, self.point, drawn, taken)

    def find_place(
        self,
        size: NDArray[np.float64],
        end: NDArray[np.float64],
        curve: NDArray[np.float64] | None,
        others: Sequence[NDArray[np.float64]],
    ) -> Spot | None:
        """Return the cheapest place for a name of a size; None if there is none good enough."""
        inner = [] if curve is None else [point for point in curve[:-1] if self._contains(point)]
        anchors = [(0.0, end), *((_INSIDE, point) for point in inner)]
        mixed = [self._mixed(point, others) for _, point in anchors]
        options = sorted(
            (extra + mixed[place] + _FAR * reach, place, reach)
            for place, (extra, _) in enumerate(anchors)
            for reach in _REACH
        )
        beside = np.concatenate([np.empty((0, 2)), *others])
        best: Spot | None = None
        for cost, place, reach in options:
            if best is not None and cost >= best.cost:
                break
            point = anchors[place][1]
            far = reach > _NEAR or place > 0 or mixed[place] > 0
            there, around = self._near(beside, point, size, reach)
            for box in _boxes(point, size, reach * self.point):
                led = far or there._is_mistaken(box, point, None if curve is None else around)
                most = _IMPOSSIBLE if best is None else best.cost - cost
                whole = cost + there._hindrance(Spot(cost, box, point, led), around, most)
                if whole < (_IMPOSSIBLE if best is None else best.cost):
                    best = Spot(whole, box, point, led)
        return None if best is None or (curve is None and best.cost > _TOO_MUCH) else best

    def _near(
        self,
        beside: NDArray[np.float64],
        point: NDArray[np.float64],
        size: NDArray[np.float64],
        reach: float,
    ) -> tuple["PanelSpace", NDArray[np.float64]]:
        """Return the panel and other curves with what names around a point can come near."""
        away = (_CLEARLY + 0.5) * reach * self.point + size + 20.0
        box = np.concatenate([point - away, point + away])
        drawn = self.drawn[_inside(self.drawn, box)]
        there = PanelSpace(self.frame, self.point, drawn, self.taken)
        return there, beside[_inside(beside, box)]

    def _is_mistaken(
        self,
        box: NDArray[np.float64],
        point: NDArray[np.float64],
        beside: NDArray[np.float64] | None,
    ) -> bool:
        """Return whether a name could be of something else than the point beside it.

        A curve is told from the other named ones, `beside`, a mark from whatever else is drawn.
        """
        if beside is None:
            beside = self.drawn[np.hypot(*(self.drawn - point).T) > 2]
        return _gap(beside, box) < _CLEARLY * _gap(point[None], box)

    def _contains(self, point: NDArray[np.float64]) -> bool:
        return bool((point >= self.frame[:2]).all() and (point <= self.frame[2:]).all())

    def _mixed(self, point: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> float:
        """Return what it costs that another named curve runs beside a point."""
        near = min((float(np.hypot(*(other - point).T).min()) for other in others), default=np.inf)
        return _MIXED * max(0.0, _APART - near / self.point)

    def _hindrance(self, spot: Spot, beside: NDArray[np.float64], most: float) -> float:
        """Return what a name there hides or crosses; beyond `most` not all of it."""
        box, frame = spot.box, self.frame
        if (box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any():
            return _IMPOSSIBLE
        if any((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in self.taken):
            return _IMPOSSIBLE
        cost = _HIDES * float(_inside(self.drawn, box).sum())
        if cost < most:
            cost += _BESIDE * float(_inside(beside, box, _APART / 2 * self.point).sum())
        leader = spot.leader()
        if len(leader) and cost < most:
            cost += _OVER * sum(bool(_inside(leader, other).any()) for other in self.taken)
            around = np.concatenate([leader.min(axis=0), leader.max(axis=0)])
            close = self.drawn[_inside(self.drawn, around, 2.0)]
            if len(close):
                gaps = np.abs(close[:, None, :] - leader[None, ::2, :]).max(axis=2)
                cost += _CROSSES * float((gaps.min(axis=1) < 2.0).sum())
        return cost


def _inside(
    points_: NDArray[np.float64], box: NDArray[np.float64], slack: float = 1.0
) -> NDArray[np.bool_]:
    found = (points_ > box[:2] - slack) & (points_ < box[2:] + slack)
    return np.asarray(found.all(axis=1))


def _gap(points_: NDArray[np.float64], box: NDArray[np.float64]) -> float:
    """Return how far the nearest point is from a box; infinity without points."""
    away = points_ - np.clip(points_, box[:2], box[2:])
    return float(np.hypot(*away.T).min(initial=np.inf))


def _boxes(
    point: NDArray[np.float64], size: NDArray[np.float64], reach: float
) -> Iterable[NDArray[np.float64]]:
    """Yield boxes (left, bottom, right, top) around a point, whose nearest edge is `reach` off."""
    for angle in _ROUND:
        away = np.array([cos(angle), sin(angle)])
        middle = point + away * reach + np.where(np.abs(away) > 0.3, np.sign(away), 0) * size / 2
        for aside in _ASIDE if abs(away[0]) < 0.3 else (0.0,):
            moved = middle + np.array([aside, 0.0]) * size
            yield np.concatenate([moved - size / 2, moved + size / 2])


def dense(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points along a line of straight pieces, `_STEP` pixels apart, and its corners."""
    if len(path) < 2:
        return path
    length = np.concatenate([[0.0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    places = np.arange(0.0, length[-1], _STEP)
    between = np.column_stack([np.interp(places, length, line) for line in path.T])
    return np.concatenate([between, path])
