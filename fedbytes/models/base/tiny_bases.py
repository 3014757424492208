"""Very small random models, built offline and deterministic, for tests and dry runs."""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from fedbytes.data.tokens.token_cache import Tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 260,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
}


def byte_tokenizer() -> "Tokenizer":
    """Return a tokenizer with one token per byte, and `<pad>`, `<s>`, `</s>`, `<unk>`."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {word: index for index, word in enumerate(words)}
    backend = Backend(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer: Tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    return tokenizer


def tiny_config(name: str) -> Any:
    """Return the configuration of `tiny-llama` or `tiny-bert`."""
    from transformers import BertConfig, LlamaConfig

    if name == "tiny-bert":
        return BertConfig(**SIZES, num_attention_heads=4, max_position_embeddings=512)
    return LlamaConfig(
        **SIZES,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )


def tiny_model(name: str, auto_class: Any) -> "PreTrainedModel":
    """Return a tiny model whose weights are drawn from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2_026)
        model: PreTrainedModel = auto_class.from_config(tiny_config(name))
    return model


TINY = ("tiny-llama", "tiny-bert")
