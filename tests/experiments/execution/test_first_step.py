"""What only a step reveals is refused before the first round."""

import pytest
import torch
import transformers

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.preflight import check
from fedbytes.models.base.tiny_bases import SIZES, byte_tokenizer

SMALL = {"vocab_size": 260, "hidden_size": 32, "num_hidden_layers": 2}


def saved(folder, config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return {"name": str(folder), "device": "cpu"}


def refusal(settings):
    with pytest.raises(ValueError, match="model") as caught:
        check([make_config(settings)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_draws_random_numbers(settings, tmp_path):
    config = transformers.ReformerConfig(
        vocab_size=260, hidden_size=32, axial_pos_embds=False, attn_layers=["lsh", "lsh"],
        num_attention_heads=4, attention_head_size=8, num_buckets=4, lsh_attn_chunk_length=4,
        max_position_embeddings=64, is_decoder=False,
    )  # fmt: skip
    model = {"model": saved(tmp_path, config), "adapter": {"name": "head"}}
    assert "draws random numbers when it runs" in refusal(settings | model)


def test_a_model_that_rewrites_its_weights(settings, tmp_path):
    config = transformers.RwkvConfig(**SMALL, attention_hidden_size=32, rescale_every=1)
    model = {"model": saved(tmp_path, config), "adapter": {"name": "head"}}
    assert "rewrites its weights when it runs" in refusal(settings | model)


def test_an_error_of_a_models_own_code(settings, tmp_path):
    """The position embeddings of LED's encoder are counted by a field of its own."""
    config = transformers.LEDConfig(
        vocab_size=260, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        encoder_ffn_dim=64, attention_window=4, max_encoder_position_embeddings=12,
    )  # fmt: skip
    model = {"model": saved(tmp_path, config), "adapter": {"name": "head"}}
    message = refusal(settings | model)
    assert "cannot be trained on texts of 32 and " in message
    assert "IndexError: index out of range" in message


def test_values_that_are_not_finite(settings, tmp_path):
    config = transformers.BertConfig(**SIZES, num_attention_heads=4)
    model = saved(tmp_path, config)
    broken = transformers.AutoModel.from_pretrained(tmp_path)
    broken.encoder.layer[2].output.dense.weight.data[0, 0] = torch.nan
    broken.save_pretrained(tmp_path)
    assert "has a loss of nan on texts of" in refusal(settings | {"model": model})


def test_a_model_that_runs_whole_is_said_once(settings, tmp_path):
    config = transformers.FNetConfig(**SIZES, max_position_embeddings=64)
    model = {"model": saved(tmp_path, config), "adapter": {"name": "lora", "rank": 2, "layers": 1}}
    adapted = settings | model | {"adapter": {"name": "bitfit", "layers": 1}}
    notes = check([make_config(adapted | {"seed": seed}) for seed in range(3)])
    assert sum("runs whole with adapter 'bitfit'" in note for note in notes) == 1
