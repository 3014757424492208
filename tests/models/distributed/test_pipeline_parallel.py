"""A base whose layers are in several processes gives the losses and gradients of one process."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import transformers
from processes import in_processes

from fedbytes.data.tokens.encoded import GenerationOptions
from fedbytes.models import build_model, make_model_spec
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.model_config import model_spec

LORA = {"name": "lora", "targets": "all-linear"}
LM, TEXTS = ("tiny-llama", "causal-lm"), ("tiny-bert", "classification")
CASES = [
    (*LM, LORA),
    (*LM, {"name": "lora", "layers": 1}),
    (*LM, "full"),
    (*LM, {"name": "p_tuning", "length": 3, "encoder_hidden": 8}),
    (*LM, {"name": "peft", "method": "VBLORA", "options": {"vector_length": 8, "num_vectors": 16}}),
    (*TEXTS, LORA),
    (*TEXTS, "head"),
    (*TEXTS, {"name": "vera", "rank": 16}),
    (*TEXTS, {"name": "lora", "layers": [0, 1]}),
]


def everything(cases, **fields):
    """For each case a loss, its gradient after two batches, metrics, and how much base is held."""
    from colour_task import encode_colours

    torch.set_num_threads(1)
    found = []
    for name, kind, adapter in cases:
        spec = {"name": name, "precision": "float32", "device": "cpu", **fields}
        model = build_model(spec, adapter, encode_colours(kind), layer_cache=False)
        model.set_state(model.initial_state + 0.01 * torch.arange(model.layout.numel).cos())
        batches = model.batches(np.arange(40), 7, np.random.default_rng(0))
        for _ in range(2):
            loss = model.loss(next(batches))
            (3 * loss).backward()
        frozen = [p for p in model.network.parameters() if not p.requires_grad and not p.is_meta]
        held = sum(p.numel() for p in frozen)
        found.append((loss.detach(), model.flat.grad, model.evaluate(), held))
    return found


def federated(**fields):
    """What is held after two rounds, by algorithm, and the bytes that crossed."""
    from colour_task import encode_colours

    from fedbytes.federated.algorithm import make_algorithm
    from fedbytes.federated.federation import Federation
    from fedbytes.federated.protocol.link import make_link
    from fedbytes.federated.testing.strict_client import Rehearsal

    torch.set_num_threads(1)
    found = {}
    for name in ("fedavg", "moon", "fedex_lora"):
        spec = {"name": "tiny-bert", "precision": "float32", "device": "cpu", **fields}
        model = build_model(spec, {"name": "lora", "rank": 2}, encode_colours("classification"))
        fed = Federation(
            model=model,
            parts=np.array_split(np.arange(40), 2),
            algorithm=make_algorithm(name, local_steps=2, batch_size=6, learning_rate=0.01),
            uplink=make_link("fp32"),
            downlink=make_link("fp32"),
            clients_per_round=2,
        )
        run = Rehearsal(fed).go(2)
        fed.algorithm.load(model, run.state.model)
        crossed = sum(entry.message_bytes for entry in run.ledger.entries)
        found[name] = (run.state.model, model.evaluate()["loss"], crossed)
    return found


def both(cases, **fields):
    return everything(cases, **fields), federated(**fields)


def test_two_processes_compute_what_one_does(tmp_path: Path):
    alone = both(CASES)
    ranks = in_processes(
        2, tmp_path, "test_pipeline_parallel", "both", cases=CASES, pipeline_parallel=True
    )
    for place, one in enumerate(alone[0]):
        zero, other = (rank[0][place] for rank in ranks)
        assert one[1].abs().max() > 0
        for mine in (zero, other):
            torch.testing.assert_close(mine[:2], one[:2], msg=str(CASES[place]))
            assert mine[2] == pytest.approx(one[2], rel=1e-4)
        assert torch.equal(zero[1], other[1])  # so that what is trained never parts
        if CASES[place][2] != "full":
            outside = 260 * 32 + (32 if CASES[place][:2] == LM else 514 * 32 + 2 * 32)
            assert zero[3] + other[3] == one[3] + outside, "each layer is in one process"
            assert max(zero[3], other[3]) < one[3]
    for name, one in alone[1].items():
        zero, other = (rank[1][name] for rank in ranks)
        assert torch.equal(zero[0], other[0]), name
        torch.testing.assert_close(zero[0], one[0], rtol=1e-3, atol=1e-5)
        assert zero[1] == pytest.approx(one[1], rel=1e-4)
        assert zero[2] == one[2], "the same bytes cross"


@pytest.mark.slow
def test_three_processes_and_whole_batches(tmp_path: Path):
    cases = [CASES[0], CASES[-1]]
    fields = {"pipeline_parallel": True, "microbatches": 1, "gradient_checkpointing": True}
    ranks = in_processes(3, tmp_path, "test_pipeline_parallel", "everything", cases=cases, **fields)
    for place, one in enumerate(everything(cases)):
        for rank in ranks:
            torch.testing.assert_close(rank[place][:2], one[:2])
            assert torch.equal(rank[place][1], ranks[0][place][1])


@pytest.fixture
def one_process(tmp_path, monkeypatch):
    """A group of this process alone, all that refusals and cuts of a batch need."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield {"name": "tiny-bert", "pipeline_parallel": True, "device": "cpu"}
    dist.destroy_process_group()


def test_arguments_that_are_cut_by_mistake_are_found(one_process, colours, monkeypatch):
    """As a bias of [heads, …] would be, in a batch of as many texts."""
    from fedbytes.models.distributed import pipeline_parallel

    right = pipeline_parallel.select_rows
    monkeypatch.setattr(
        pipeline_parallel, "select_rows", lambda rows, value, whole: right(rows, value, whole + 1)
    )
    with pytest.raises(ValueError, match="for parts of a batch: set microbatches=1"):
        build_model(one_process, LORA, colours)
    build_model(one_process | {"microbatches": 1}, LORA, colours)


def test_models_and_adapters_that_do_not_fit_are_refused(one_process, colours, tmp_path):
    with pytest.raises(ValueError, match=r"prefix_tuning, .*: use prompt_tuning"):
        build_model(one_process, "prefix_tuning", colours)
    model = build_model(one_process, "lora", colours)
    with pytest.raises(ValueError, match="requires all base weights"):
        model.lora.base_weights()
    bloom = transformers.BloomConfig(
        vocab_size=260, hidden_size=32, n_layer=3, n_head=4, pad_token_id=0
    )
    with torch.random.fork_rng():
        transformers.AutoModel.from_config(bloom).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="BloomModel pass on more than their states: remove it"):
        build_model(one_process | {"name": str(tmp_path)}, LORA, colours)


def test_answers_are_not_generated(one_process, colour_texts):
    asked = dataclasses.replace(colour_texts, generation=GenerationOptions(4, 8))
    with pytest.raises(ValueError, match=r"set task\.generate_examples=0"):
        build_model(one_process | {"name": "tiny-llama"}, LORA, asked)
    model = build_model(one_process | {"name": "tiny-llama"}, LORA, colour_texts)
    tokens = torch.arange(4, 10)[None]
    with pytest.raises(ValueError, match="has no key/value cache: set use_cache=False"):
        model.network.backbone.generate(input_ids=tokens, max_new_tokens=2, use_cache=True)
    found = model.network.backbone.generate(input_ids=tokens, max_new_tokens=2, use_cache=False)
    assert found.shape[1] > tokens.shape[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"quantise": "nf4"}, "pipeline_parallel cannot be combined with device_map or quantise"),
        ({"device_map": "cpu"}, "pipeline_parallel cannot be combined with device_map or quantise"),
        ({"tensor_parallel": True}, "cannot be combined with tensor_parallel; remove one"),
        ({"microbatches": 0}, "microbatches must be at least 1, got 0"),
        ({"name": "llama"}, "pipeline_parallel requires a frozen base; 'llama' starts"),
    ],
    ids=str,
)
def test_fields_that_do_not_go_together_are_one_line_errors(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        make_model_spec({"name": "minilm", "pipeline_parallel": True, **fields})
    assert "\n" not in str(error.value)


def test_what_is_needed_is_said(colours, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(
        ValueError, match="pipeline_parallel requires several processes: start with"
    ):
        build_model({"name": "tiny-bert", "pipeline_parallel": True}, "lora", colours)
    with pytest.raises(ValueError, match="microbatches=2 requires pipeline_parallel: true"):
        make_model_spec({"name": "minilm", "microbatches": 2})
    assert "microbatches" not in model_spec(make_model_spec("minilm"))
