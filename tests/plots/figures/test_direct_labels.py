"""Names beside curves stand on nothing, and say which curve they mean."""

from itertools import permutations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from synthetic import by_hand
from text_boxes import text_faults

from fedbytes.plots import FigureOptions, make_figure
from fedbytes.plots.drawing.direct_labels import DirectLabel, place_labels
from fedbytes.plots.drawing.label_places import dense

RATES = {"fp32": 1.4, "one": 1.3, "two": 1.0, "three": 0.7, "four": 0.5, "five": 0.35}


def names_of(axis):
    """Return the boxes of the names in a panel, in pixels, and what each stands for."""
    FigureCanvasAgg(axis.figure).draw()
    found = {}
    for text in axis.texts:
        if isinstance(text, Annotation) and text.get_text() in RATES:
            arrow, text.arrow_patch = text.arrow_patch, None
            box = Text.get_window_extent(text)
            text.arrow_patch = arrow
            point = axis.transData.transform(text.xy)
            found[text.get_text()] = box, point, arrow is not None
    return found


def curves_of(axis):
    return {
        line.get_label(): axis.transData.transform(line.get_path().vertices)
        for line in axis.lines
        if line.get_label() in RATES
    }


@pytest.mark.parametrize("figure", ["rounds", "bytes"])
def test_names_of_curves_that_end_in_one_place_stand_on_none(figure):
    runs = {
        (codec, 0): [
            (1000 * (place + 1) * r, 0.93 - 0.45 * float(np.exp(-rate * r))) for r in range(1, 15)
        ]
        for place, (codec, rate) in enumerate(RATES.items())
    }
    options = FigureOptions(highlight=tuple(RATES))
    axis = make_figure(figure).draw(by_hand(runs), options).axes[0]
    names, curves = names_of(axis), curves_of(axis)
    assert set(names) == set(curves) == set(RATES)
    for name, (box, point, led) in names.items():
        for curve in curves.values():
            hidden = [p for p in dense(curve) if box.contains(*p)]
            assert not hidden, f"{name} stands on a curve"
        own = np.hypot(*(dense(curves[name]) - point).T).min()
        assert own < 2, f"{name} points at nothing"
        gaps = {
            of: np.hypot(*(dense(curve) - np.clip(dense(curve), box.p0, box.p1)).T).min()
            for of, curve in curves.items()
        }
        assert led or min(gaps, key=gaps.get) == name


def test_leaders_run_over_no_name():
    figure = Figure(dpi=100)
    axis = figure.subplots()
    spread = np.linspace(0.4, 0.45, 6)
    axis.plot(spread, spread, "o")
    axis.set(xlim=(0, 1), ylim=(0, 1))
    labels = [DirectLabel(name, x, x) for name, x in zip(RATES, spread, strict=True)]
    assert place_labels(figure, {axis: labels}) == []
    assert text_faults(figure) == []
    names = names_of(axis)
    for (one, (box, point, led)), (other, (over, *_)) in permutations(names.items(), 2):
        edge = np.clip(point, box.p0, box.p1)
        way = edge + (point - edge) * np.linspace(0.1, 0.9, 50)[:, None]
        assert not led or not any(over.contains(*p) for p in way), f"{one}'s line is over {other}"


def test_a_name_without_room_is_told():
    figure = Figure(figsize=(1, 1), dpi=100)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1])
    labels = [DirectLabel(f"name {i}", 0.5, 0.5) for i in range(40)]
    lost = place_labels(figure, {axis: labels})
    assert lost
    assert set(lost) < {label.text for label in labels}
