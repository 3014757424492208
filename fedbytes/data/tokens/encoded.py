"""What texts become: splits of tokens, and what is asked of the tokenizer that makes them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fedbytes.data.task import Kind
from fedbytes.data.text_data import Column

Rows = npt.NDArray[np.int64]
"""Indices of examples."""


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of Hugging Face answer it."""

    bos_token_id: int | None
    eos_token_id: int | None
    cls_token_id: int | None

    def __call__(self, text: list[str], **options: Any) -> Any:
        """Return a mapping with `input_ids`, a list of ids a text."""

    def __len__(self) -> int:
        """Return how many tokens it knows."""


@dataclass(frozen=True)
class EncodedSplit:
    """The tokens of a split.

    Attributes:
        name: `train` or `test`.
        tokens: int32 [all tokens], text after text.
        offsets: int64 [examples + 1]; example i is `tokens[offsets[i]:offsets[i + 1]]`.
        labels: int64 [examples], places in `label_names`; None for causal-lm.
        columns: the columns of the split, factors for partitioners; none of packed rows.
        digest: SHA-256 that names this split's tokens.
        text_bytes: bytes of the texts (UTF-8) where all of their tokens are here, else 0.
        learned: bool [all tokens], which of them the loss is of; None for all.
    """

    name: str
    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None
    columns: dict[str, Column]
    digest: str
    text_bytes: int = 0
    learned: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example, int64 [examples]."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class GenerationOptions:
    """How many test conversations are answered at an evaluation, in how many tokens at most."""

    examples: int
    max_new_tokens: int


@dataclass(frozen=True)
class EncodedTask:
    """A task's two splits as tokens, and the names of its classes (empty for causal-lm).

    `tokenizer` made the tokens. `unpacked` says that the training examples are whole documents,
    of any length, which `fedbytes.data.pack` makes into rows once it is known who holds them.
    `generation` is there where answers are generated.
    """

    train: EncodedSplit
    test: EncodedSplit
    label_names: tuple[str, ...]
    kind: Kind
    digest: str
    max_length: int
    tokenizer: Tokenizer = field(repr=False, compare=False)
    unpacked: bool = False
    generation: GenerationOptions | None = None
