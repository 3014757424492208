"""Folders of other architectures: what is taken of them, and what is refused."""

import json
import logging

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from fedbytes.models import build_model, encode_task, forget_bases, load_base
from fedbytes.models.base.tiny_bases import SIZES, byte_tokenizer
from fedbytes.models.batching import make_batch

BART = {
    "vocab_size": 260, "d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "encoder_layers": 2, "decoder_layers": 4, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "max_position_embeddings": 64,
}  # fmt: skip
OPT = {
    "vocab_size": 260, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 64, "word_embed_proj_dim": 16,
    "do_layer_norm_before": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def forgotten():
    yield
    forget_bases()


def save(folder, config, auto_class=transformers.AutoModel):
    """Save a random model with a tokenizer of bytes; return its folder's name."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        auto_class.from_config(config).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return str(folder)


def edit_weights(folder, edit):
    path = folder / "model.safetensors"
    weights = load_file(path)
    edit(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_the_head_is_as_wide_as_the_last_states(tmp_path, colours):
    name = save(tmp_path, transformers.OPTConfig(**OPT))
    assert load_base(name).width == 16
    for adapter in ("head", {"name": "lora", "layers": 1, "rank": 2}):
        model = build_model(name, adapter, colours)
        assert model.layout.shapes["head.weight"] == (3, 16)
        model.loss(make_batch(colours.train, np.arange(4), model.device)).backward()


def test_an_encoder_decoder_classifies_by_its_encoder(tmp_path, colours):
    config = transformers.BartConfig(**BART)
    name = save(tmp_path, config, transformers.AutoModelForSeq2SeqLM)
    base = load_base(name)
    assert "Encoder" in type(base.model).__name__
    assert not base.info.decoder
    whole = transformers.AutoModel.from_pretrained(tmp_path)
    assert base.info.parameters == sum(p.numel() for p in whole.encoder.parameters())
    model = build_model(name, {"name": "lora", "layers": 1, "rank": 2}, colours)
    assert not any("decoder" in tensor for tensor in model.layout.names)
    assert all("layers.1." in n for n in model.layout.names if "lora" in n)
    assert not model.keeps_no_states


def test_an_encoder_decoder_does_not_model_language(tmp_path):
    name = save(tmp_path, transformers.MarianConfig(**BART, pad_token_id=0))
    with pytest.raises(ValueError, match="is an encoder-decoder; causal-lm requires a decoder"):
        load_base(name, "causal-lm")


def test_weights_that_are_missing_and_used_are_refused(tmp_path):
    name = save(tmp_path, transformers.BertConfig(**SIZES, num_attention_heads=4))
    assert load_base(name)
    edit_weights(tmp_path, lambda held: held.pop("pooler.dense.weight"))
    forget_bases()
    assert load_base(name)  # the pooler is not used
    edit_weights(tmp_path, lambda held: held.pop("encoder.layer.1.output.dense.bias"))
    forget_bases()
    message = r"lack 1 of the \d+ weights of BertModel, such as encoder.layer.1.output.dense.bias"
    with pytest.raises(ValueError, match=message) as error:
        load_base(name)
    assert "\n" not in str(error.value)


def test_sines_of_positions_are_computed_where_files_leave_them_out(tmp_path):
    config = transformers.MarianConfig(**BART, pad_token_id=0, decoder_start_token_id=0)
    name = save(tmp_path, config, transformers.AutoModelForSeq2SeqLM)
    assert not any("embed_positions" in key for key in load_file(tmp_path / "model.safetensors"))
    whole = transformers.MarianMTModel(config).model.encoder.embed_positions.weight
    assert torch.equal(load_base(name).model.embed_positions.weight, whole)


def test_a_language_models_head_that_is_missing_is_refused(tmp_path):
    config = transformers.LlamaConfig(**SIZES, num_attention_heads=4, tie_word_embeddings=False)
    name = save(tmp_path, config)
    assert load_base(name)
    with pytest.raises(ValueError, match=r"lack 1 of the \d+ weights of LlamaForCausalLM, such as"):
        load_base(name, "causal-lm")


def test_weights_of_another_architecture_are_refused(tmp_path):
    name = save(tmp_path, transformers.BertConfig(**SIZES, num_attention_heads=4))
    other = tmp_path / "other"
    save(other, transformers.LlamaConfig(**SIZES, num_attention_heads=4))
    (tmp_path / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"of another architecture than its config\.json"):
        load_base(name)


def test_weights_of_another_shape_are_refused(tmp_path):
    name = save(tmp_path, transformers.BertConfig(**SIZES, num_attention_heads=4))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intermediate_size": 96}))
    with pytest.raises(ValueError, match=r"is \[64\] in its files and \[96\] by its config.json"):
        load_base(name)


def test_loading_says_nothing(tmp_path, capfd, caplog):
    config = transformers.BertConfig(**SIZES, num_attention_heads=4)
    name = save(tmp_path, config, transformers.AutoModelForMaskedLM)
    capfd.readouterr()
    with caplog.at_level(logging.WARNING):
        load_base(name)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(tmp_path, texts):
    config = transformers.BertConfig(**SIZES | {"vocab_size": 90}, num_attention_heads=4)
    name = save(tmp_path, config)
    task = encode_task({"name": "file", "path": str(texts), "max_length": 24}, name)
    highest = int(task.train.tokens.max())
    assert highest >= 90
    with pytest.raises(ValueError, match=rf"embeds tokens 0 to 89, .* token {highest} .* has 260"):
        build_model(name, "head", task)


def test_the_same_weights_with_another_configuration_have_states_of_their_own(tmp_path, colours):
    found, adapter = [], {"name": "lora", "layers": 1, "rank": 2}
    for window in (512, 3):
        config = transformers.MistralConfig(
            **SIZES, num_attention_heads=4, num_key_value_heads=2, sliding_window=window
        )
        name = save(tmp_path / str(window), config)
        kept, whole = (
            build_model(name, adapter, colours, layer_cache=flag) for flag in (True, False)
        )
        assert not kept.keeps_no_states
        batch = make_batch(colours.train, np.arange(8), kept.device)
        torch.testing.assert_close(kept.features(batch), whole.features(batch), rtol=0, atol=1e-4)
        found.append(kept.features(batch))
    assert not torch.allclose(*found, atol=1e-2)
