import subprocess
import sys

import numpy as np
import pytest
import torch

from fedbytes.models import (
    build_model,
    encode_task,
    load_base,
    load_tokenizer,
    make_model_spec,
    model_spec,
)
from fedbytes.models.base.capability import can_multiply
from fedbytes.models.base.device import pick_device, pick_precision
from fedbytes.models.heads.metrics import accuracy, macro_f1


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders as a user would have them: an encoder and a causal LM, with tokenizers."""
    root = tmp_path_factory.mktemp("models")
    for name, kind in (("tiny-bert", "classification"), ("tiny-llama", "causal-lm")):
        load_base(name, kind).model.save_pretrained(root / name)
        load_tokenizer(name)[0].save_pretrained(root / name)
    return root


@pytest.mark.parametrize("kind", ["classification", "causal-lm"])
def test_a_model_folder_behaves_like_the_model_saved_in_it(folders, tmp_path, kind):
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "red one,a\nblue two,b\n" * 6)
    results = []
    for name in ("tiny-llama", str(folders / "tiny-llama")):
        task = {"name": "file", "path": str(table), "kind": kind, "max_length": 16}
        model = build_model(name, {"name": "lora", "layers": 1}, encode_task(task, name), seed=1)
        results.append(model.evaluate())
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_an_encoder_folder_loads(folders):
    info = load_base(str(folders / "tiny-bert")).info
    assert not info.decoder
    assert info.setup_bytes == 4 * info.parameters
    assert info.digest == load_base("tiny-bert").info.digest


def test_tiny_models_are_the_same_in_every_process():
    code = "from fedbytes.models import load_base; print(load_base('tiny-llama').info.digest)"
    other = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert other == load_base("tiny-llama").info.digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "there is no model folder /no/such/folder"),
        ("./missing", "there is no model folder missing"),
        ("minilmm", "no model 'minilmm'.*did you mean 'minilm'"),
        ("reuters-r8", "'reuters-r8' is a data set, not a model"),
    ],
)
def test_a_missing_model_is_a_one_line_error(name, message):
    with pytest.raises(ValueError, match=message) as error:
        load_base(name)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_model_is_a_one_line_error(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="does not load") as error:
        load_base(str(tmp_path))
    assert "\n" not in str(error.value)


def test_an_encoder_cannot_model_language():
    with pytest.raises(ValueError, match="model 'tiny-bert' is an encoder"):
        load_base("tiny-bert", "causal-lm")


def test_model_spec_refuses_misspelt_fields():
    assert make_model_spec("minilm") == make_model_spec({"name": "minilm"})
    with pytest.raises(ValueError, match="no field 'devcie'; did you mean 'device'"):
        make_model_spec({"name": "minilm", "devcie": "cpu"})
    with pytest.raises(ValueError, match="model requires name"):
        make_model_spec({})
    with pytest.raises(ValueError, match="a model is a name or"):
        make_model_spec(3)
    with pytest.raises(ValueError, match="precision must be one of auto"):
        make_model_spec({"name": "minilm", "precision": "int8"})


def test_model_spec_takes_values_as_other_fields_do():
    spec = make_model_spec({"name": "minilm", "pipeline_parallel": True, "microbatches": "8"})
    assert spec.microbatches == 8
    assert make_model_spec(model_spec(spec)) == spec
    with pytest.raises(ValueError, match="model: double_quant must be of type bool, got 1"):
        make_model_spec({"name": "minilm", "double_quant": 1})


def test_devices_and_precisions():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_precision("float32", torch.device("cuda")) == torch.float32
    with pytest.raises(ValueError, match="device 'gpu' cannot be used"):
        pick_device("gpu")


@pytest.mark.skipif(
    not can_multiply(torch.device("cpu"), torch.bfloat16),
    reason="no products in bfloat16 on this processor, or in this build of torch",
)
def test_bfloat16_is_near_float32(colours):
    assert pick_precision("bfloat16", torch.device("cpu")) == torch.bfloat16
    spec = {"name": "tiny-bert", "device": "cpu"}
    found = []
    for precision in ("float32", "bfloat16"):
        model = build_model({**spec, "precision": precision}, "head", colours)
        model.set_state(torch.linspace(-0.02, 0.02, model.layout.numel))
        found.append(model.evaluate())
    exact, rough = found
    assert exact["loss"] == pytest.approx(rough["loss"], rel=0.02)
    assert exact["loss"] != rough["loss"]


def test_metrics_by_hand():
    truth, guess = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert accuracy(truth, guess) == 0.5
    assert macro_f1(truth, guess) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert macro_f1(np.array([0, 5]), np.array([0, 5])) == 1.0
