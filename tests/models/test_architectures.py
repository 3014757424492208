"""Models of other architectures train alike with and without kept states, or are refused at once.

The architectures and what becomes of each stand in `architectures.py`.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, DECODERS, REFUSED, WHOLE, save_model

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.preflight import check
from fedbytes.models import build_model, encode_task, forget_bases

FEW = ("albert", "fnet", "jamba", "longformer", "opt", "t5")
CASES = [(name, kind) for name in ARCHITECTURES for kind in ("classification", "causal-lm")]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Return the folder of an architecture's model, saved once."""
    root = tmp_path_factory.mktemp("architectures")

    def folder(name):
        return root / name if (root / name).is_dir() else save_model(name, root / name)

    yield folder
    forget_bases()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of 60 texts of 4 to 33 tokens in three classes."""
    path = tmp_path_factory.mktemp("texts") / "colours.csv"
    rng = np.random.default_rng(0)
    rows = [(color, "x" * rng.integers(1, 28)) for color in ("red", "green", "blue") * 20]
    path.write_text("text,label\n" + "".join(f"{c} {x},{c}\n" for c, x in rows))
    return path


def settings_of(folder, table, kind):
    """Return the settings of a run with LoRA on the top layer."""
    return {
        "task": {"name": "file", "path": str(table), "max_length": 24, "kind": kind},
        "model": {"name": str(folder), "device": "cpu"},
        "adapter": {"name": "lora", "rank": 2, "layers": 1},
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 8},
        "rounds": 1,
    }


def outcome(folder, table, kind):
    """Return `trains`, `whole` or the message of a refusal, having compared losses."""
    settings, refused = settings_of(folder, table, kind), ""
    try:
        check([make_config(settings)])
    except ValueError as error:
        refused = str(error)
    if refused:
        assert "\n" not in refused
        return refused
    task = encode_task(settings["task"], settings["model"])
    whole, kept = (
        build_model(settings["model"], settings["adapter"], task, layer_cache=flag)
        for flag in (False, True)
    )
    one, two = losses(whole), losses(kept)
    assert np.isfinite(one).all()
    assert one == pytest.approx(two, rel=1e-4)
    return "whole" if kept.keeps_no_states else "trains"


def losses(model):
    """Return the losses of five steps, and those of an evaluation before and after them."""
    found = [model.evaluate()["loss"]]
    optimiser = torch.optim.AdamW([model.flat], lr=3e-3)
    batches = model.batches(np.arange(len(model.task.train)), 6, np.random.default_rng(3))
    for _ in range(5):
        optimiser.zero_grad(set_to_none=False)
        loss = model.loss(next(batches))
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return [*found, model.evaluate()["loss"]]


def expected(name, kind):
    """Return `trains` or `whole`, or what the message of a refusal contains."""
    if kind == "causal-lm" and name not in DECODERS:
        return "; causal-lm requires a decoder"
    return REFUSED.get(name, "whole" if name in WHOLE else "trains")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(*case, marks=() if case[0] in FEW else pytest.mark.slow, id="-".join(case))
        for case in CASES
    ],
)
def test_it_trains_alike_with_kept_states_or_is_refused(folder_of, table, name, kind):
    assert expected(name, kind) in outcome(folder_of(name), table, kind)


def test_there_are_forty_architectures_and_most_train():
    classified = [expected(name, "classification") for name in ARCHITECTURES]
    assert len(ARCHITECTURES) >= 40
    assert sum(found in ("trains", "whole") for found in classified) >= 40


def test_the_page_says_of_each_what_becomes_of_it():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [\w ,-]+, (kept|whole|refused) \| (.+) \|$", page, re.M)
    said = {name: what for what, names in rows for name in re.findall("`([^`]+)`", names)}
    found = {name: expected(name, "classification") for name in ARCHITECTURES}
    words = {"trains": "kept", "whole": "whole"}
    assert said == {name: words.get(what, "refused") for name, what in found.items()}
