"""How many tokens a model reads at once, as its architecture has it."""

import pytest
import torch

from fedbytes.models.context_length import count_positions

SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
WIDE = {"vocab_size": 40, "n_embd": 16, "n_layer": 1, "n_head": 2}


@pytest.mark.parametrize(
    ("config", "fields", "positions"),
    [
        ("Bert", SMALL | {"intermediate_size": 16, "max_position_embeddings": 20}, 20),
        ("Roberta", SMALL | {"intermediate_size": 16, "max_position_embeddings": 20}, 18),
        ("GPT2", WIDE | {"n_positions": 20}, 20),
    ],
)
def test_as_many_tokens_are_read_and_no_more(config, fields, positions):
    import transformers

    model = transformers.AutoModel.from_config(getattr(transformers, f"{config}Config")(**fields))
    assert count_positions(model) == positions
    row = torch.full((1, positions), 5)
    model(input_ids=row)
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, positions + 1), 5))


def test_a_model_without_positions_reads_any_number():
    import transformers

    config = transformers.BloomConfig(vocab_size=40, hidden_size=16, n_layer=1, n_head=2)
    assert count_positions(transformers.AutoModel.from_config(config)) is None
