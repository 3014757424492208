"""Figures of partitions before any training."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fedbytes.plots.partition_preview.knob_vs_nmi import collect_knob_values, draw_knob_vs_nmi
from fedbytes.plots.partition_preview.split_figures import (
    SplitView,
    draw_bars,
    draw_cells,
    draw_distances,
    draw_sizes,
    draw_splits,
)
from fedbytes.plots.tables.store_tables import NothingToDrawError


def view(scheme="dirichlet", clients=10, seed=0, nmi=0.5, **fields):
    rng = np.random.default_rng([clients, seed])
    counts = rng.multinomial(30, rng.dirichlet(np.full(6, 0.3)), size=clients)
    counts[::7] = 0  # some clients hold nothing
    distances = rng.random((clients, clients))
    return SplitView(
        title=" ".join([scheme, *(f"{key}={value}" for key, value in fields.items())]),
        spec={"name": scheme, **fields},
        seed=seed,
        counts=pd.DataFrame(counts, columns=[f"class {i}" for i in range(6)]),
        sizes=counts.sum(axis=1),
        nmi=nmi,
        clients=np.arange(clients),
        distances=(distances + distances.T) / 2,
    )


DRAWERS = [draw_bars, draw_cells, draw_distances, draw_sizes]
CASES = {
    "ten": [view()],
    "a thousand": [view(clients=1000)],
    "fifteen": [
        view(scheme, alpha=alpha)
        for scheme, alpha in itertools.product(["a", "b", "c", "d", "e"], [0.1, 1.0, 10.0])
    ],
}


@pytest.mark.parametrize("draw", DRAWERS, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("case", CASES)
def test_words_are_legible_and_inside(draw, case):
    figure = draw(CASES[case])
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    ticks = {t for a in figure.axes for t in (*a.get_xticklabels(), *a.get_yticklabels())}
    for text in figure.findobj(matplotlib.text.Text):
        if not text.get_text() or not text.get_visible():
            continue
        assert text.get_fontsize() >= 8
        box = text.get_window_extent(renderer)
        if text not in ticks:
            assert box.x0 > -1, text.get_text()
            assert box.x1 < figure.bbox.width + 1, text.get_text()
    for axis in figure.axes:
        boxes = [t.get_window_extent(renderer) for t in axis.get_xticklabels() if t.get_text()]
        for left, right in itertools.pairwise(sorted(boxes, key=lambda box: box.x0)):
            assert left.x1 <= right.x0 + 1


def test_bars_are_as_high_as_clients_are_large():
    shown = view()
    heights = np.zeros(10)
    for bar in draw_bars([shown]).axes[0].patches:
        heights[round(bar.get_x() + bar.get_width() / 2)] += bar.get_height()
    assert heights.tolist() == shown.sizes.tolist()


def test_cells_put_clients_of_a_category_together():
    (image,) = draw_cells([view(clients=100)]).axes[0].images
    shares = np.asarray(image.get_array()).T
    held = shares.sum(axis=1) > 0
    assert np.all(np.diff(shares[held].argmax(axis=1)) >= 0)
    assert not held[np.argmin(held) :].any()  # those that hold nothing stand last


def test_strengths_find_the_knob():
    splits = [
        ({"name": "dirichlet", "alpha": alpha, "min_size": 0}, seed, 0.1 / alpha)
        for alpha, seed in itertools.product([0.1, 1.0], [0, 1])
    ]
    splits += [({"name": "mix", "then": {"name": "x", "part": p}}, 0, p) for p in (0.2, 0.8)]
    splits += [({"name": "iid"}, 0, 0.0)]
    frame = collect_knob_values(splits)
    assert dict(zip(frame["scheme"], frame["field"], strict=True)) == {
        "dirichlet": "alpha",
        "mix": "then.part",
    }
    assert len(frame) == 6
    figure = draw_knob_vs_nmi(frame)
    assert [axis.get_title() for axis in figure.axes] == ["dirichlet", "mix"]
    assert [axis.get_xscale() for axis in figure.axes] == ["log", "linear"]
    mean = figure.axes[0].lines[0]
    assert list(mean.get_xdata()) == [0.1, 1.0]
    assert mean.get_ydata() == pytest.approx([1.0, 0.1])


def test_one_strength_is_nothing_to_draw(tmp_path):
    with pytest.raises(NothingToDrawError):
        draw_knob_vs_nmi(collect_knob_values([({"name": "dirichlet", "alpha": 0.1}, 0, 0.5)]))
    paths = draw_splits([view(alpha=0.1)], tmp_path)
    assert {path.stem for path in paths} == {"bars", "bubbles", "distances", "sizes"}
    paths = draw_splits([view(alpha=0.1), view(alpha=1.0), view(alpha=1.0, seed=1)], tmp_path)
    assert "strength" in {path.stem for path in paths}
    assert all(path.stat().st_size > 0 for path in paths)
