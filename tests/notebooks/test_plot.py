"""`fedbytes.plot`: the caller's axes, words, order and colours."""

import matplotlib
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import fedbytes

FP32, OURS = "fp32", "topk density=0.1"


@pytest.fixture(scope="module")
def store(texts, tmp_path_factory):
    base = {
        "task": {"name": "file", "path": str(texts), "max_length": 32},
        "model": "tiny-bert",
        "adapter": {"name": "lora", "rank": 2},
        "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4, "learning_rate": 0.01},
        "rounds": 2,
    }
    folder = tmp_path_factory.mktemp("plotted")
    for codec in ("fp32", "nf4", {"name": "topk", "density": 0.1}):
        fedbytes.run(base, codec=codec, store=folder, progress=False)
    return folder


def colours_of(axis):
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    return {line.get_label(): to_hex(line.get_color()) for line in named}


def test_a_figure_goes_into_ones_own_axes_and_settings_stay(store):
    with matplotlib.rc_context({"font.size": 6.5, "axes.facecolor": "#fff8e0"}):
        before = dict(matplotlib.rcParams)
        figure = Figure(figsize=(3.0, 2.0))
        axis = figure.subplots()
        assert fedbytes.plot(store, "bytes", ax=axis) is figure
        assert dict(matplotlib.rcParams) == before
    assert to_hex(axis.get_facecolor()) == "#fff8e0"
    assert tuple(figure.get_size_inches()) == (3.0, 2.0)
    assert set(colours_of(axis)) == {FP32, "nf4", OURS}
    assert axis.get_ylabel() == "Test accuracy (%)"
    assert axis.xaxis.label.get_size() == 6.5
    assert not figure.get_supxlabel()


def test_methods_have_the_callers_words_order_and_colours(store):
    axis = Figure().subplots()
    fedbytes.plot(
        store,
        "rounds",
        ax=axis,
        labels={FP32: "nothing", OURS: "ours"},
        order=["ours", "nothing"],
        palette={"ours": "#ff0055", "nf4": "#00aa00"},
    )
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["ours", "nothing", "nf4"]
    found = colours_of(axis)
    assert (found["ours"], found["nf4"]) == ("#ff0055", "#00aa00")


def test_what_is_not_highlighted_is_grey(store):
    axis = Figure().subplots()
    fedbytes.plot(store, "bytes", ax=axis, highlight=["nf4"])
    greys = {name for name, c in colours_of(axis).items() if c[1:3] == c[3:5] == c[5:7]}
    assert greys == {FP32, OURS}


def test_the_baseline_may_have_another_name(store):
    plain = fedbytes.plot(store, "differences", labels={FP32: "nothing"}, baseline=FP32)
    same = fedbytes.plot(store, "differences", labels={FP32: "nothing"}, baseline="nothing")
    assert plain.get_supxlabel() == same.get_supxlabel()
    assert plain.axes


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labels": {"fp23": "x"}}, "did you mean 'fp32'"),
        ({"labels": {FP32: "nf4"}}, "two methods would both be called 'nf4'"),
        ({"order": ["nf5"]}, "did you mean 'nf4'"),
        ({"highlight": ["nf5"]}, "did you mean 'nf4'"),
        ({"palette": {FP32: "noscolour"}}, "'noscolour' of 'fp32' is no colour"),
        ({"ax": Figure().subplots(1, 2)}, "has 1 panel and ax is 2"),
        ({"figure": "byts"}, "did you mean 'bytes'"),
        ({"metric": "acuracy"}, "did you mean 'accuracy'"),
    ],
    ids=str,
)
def test_mistakes_are_one_line_with_the_remedy(store, asked, message):
    with pytest.raises(ValueError, match=message) as refused:
        fedbytes.plot(store, **asked)
    assert "\n" not in str(refused.value)
