"""Continued scores: a beginning that is computed once changes no score."""

import pytest
import torch

from fedbytes.data import EncodedTask, split_of
from fedbytes.data.tokens.token_row import TokenRow
from fedbytes.models import ContinuedScores, build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.testing.tiny_task import on_cpu
from fedbytes.streams import stream


def model_with(adapter, base="tiny-llama"):
    rows = [TokenRow(stream(0, "text", i).integers(5, 90, 12).astype("int32")) for i in range(4)]
    splits = split_of("train", rows), split_of("test", rows)
    task = EncodedTask(*splits, (), "causal-lm", "made", 64, byte_tokenizer())
    model = build_model(on_cpu(base), adapter, task)
    start = model.draw_initial(0)
    noise = torch.from_numpy(stream(0, "weights").normal(0, 0.05, len(start))).float()
    model.set_state(start + noise)
    return model


@pytest.mark.parametrize(
    ("adapter", "base"),
    [
        ("full", "tiny-llama"),
        ({"name": "lora", "rank": 2}, "tiny-llama"),
        ({"name": "prompt_tuning", "length": 3}, "tiny-llama"),
        ({"name": "prefix_tuning", "length": 3}, "tiny-llama"),
    ],
)
@pytest.mark.parametrize("begun", [0, 1, 9])
def test_scores_are_those_of_the_whole_text(adapter, base, begun):
    model = model_with(adapter, base)
    beginning = stream(1, "beginning").integers(5, 90, begun).tolist()
    continued = ContinuedScores(model, beginning)
    for turn in range(2):  # the second finds the beginning as the first found it
        tokens = torch.from_numpy(stream(turn, "rest").integers(5, 90, (3, 6)))
        whole = torch.cat([torch.tensor(beginning, dtype=torch.long).expand(3, -1), tokens], 1)
        wanted = model.score_tokens(whole, torch.ones_like(whole), begun + 2)
        found = continued.scores(tokens, 2)
        assert found.shape == wanted.shape == (3, 4, wanted.shape[-1])
        torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-4)


def test_what_a_cache_cannot_repeat_is_read_whole(monkeypatch):
    """As of recurrent layers, whose states are no keys and values."""
    monkeypatch.setattr("fedbytes.models.heads.continued_scores._REPEATABLE", ())
    model = model_with("full")
    continued = ContinuedScores(model, [7] * 9)
    assert continued._cache is None
    tokens = torch.full((3, 4), 8)
    whole = torch.cat([torch.full((3, 9), 7), tokens], 1)
    wanted = model.score_tokens(whole, torch.ones_like(whole), 9).detach()
    torch.testing.assert_close(continued.scores(tokens), wanted, rtol=1e-4, atol=1e-4)


def test_the_beginning_is_read_once():
    model, seen = model_with("full"), []
    model.network.backbone.register_forward_hook(
        lambda _module, _args, options, _made: seen.append(options["input_ids"].shape[1]),
        with_kwargs=True,
    )
    continued = ContinuedScores(model, [7] * 9)
    for _ in range(2):
        continued.scores(torch.full((3, 4), 8))
    assert seen == [9, 4, 4]
