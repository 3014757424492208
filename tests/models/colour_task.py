"""A task of three words that are told apart by their letters."""

import numpy as np

from fedbytes.data import EncodedTask, encode, make_split, make_text_data
from fedbytes.models.base.tiny_bases import byte_tokenizer


def _split(count: int, seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=count)
    starts = np.array(["red", "green", "blue"])[labels]
    texts = [f"{word} {'x' * rng.integers(1, 30)}" for word in starts]
    return make_split(texts, {"label": starts})


def encode_colours(kind: str) -> EncodedTask:
    data = make_text_data("colours", _split(40, 0), _split(17, 1))
    return encode(data, byte_tokenizer(), "bytes", kind, 24)  # type: ignore[arg-type]
