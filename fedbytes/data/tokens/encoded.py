"""Encoded splits and tasks, and the protocol of tokenizers."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fedbytes.data.task import Kind
from fedbytes.data.text_data import Column

Rows = npt.NDArray[np.int64]
"""Indices of examples."""


class Tokenizer(Protocol):
    """The members of a tokenizer that are used; those of Hugging Face have them."""

    bos_token_id: int | None
    eos_token_id: int | None
    cls_token_id: int | None

    def __call__(self, text: list[str], **options: Any) -> Any:
        """Return a mapping with `input_ids`, one list of ids per text."""

    def __len__(self) -> int:
        """Return the number of tokens."""


@dataclass(frozen=True)
class EncodedSplit:
    """The tokens of a split.

    Attributes:
        name: `train` or `test`.
        tokens: int32 [all tokens], text after text.
        offsets: int64 [examples + 1]; example i is `tokens[offsets[i]:offsets[i + 1]]`.
        labels: int64 [examples], indices into `label_names`; None for causal-lm.
        columns: the columns of the split, factors for partitioners; empty for packed rows.
        digest: SHA-256 that identifies this split's tokens.
        text_bytes: bytes of the texts (UTF-8) if none is truncated, else 0.
        learned: bool [all tokens], the tokens in the loss; None for all.
        extends: the split that this one begins with, row by row; None for none.
    """

    name: str
    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None
    columns: dict[str, Column]
    digest: str
    text_bytes: int = 0
    learned: npt.NDArray[np.bool_] | None = None
    extends: "EncodedSplit | None" = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each example, int64 [examples]."""
        return np.diff(self.offsets)

    @property
    def added(self) -> "EncodedSplit":
        """The rows after those of the split that this one extends, as a split of their own."""
        first = 0 if self.extends is None else len(self.extends)
        begin = int(self.offsets[first])
        tokens, offsets = self.tokens[begin:], self.offsets[first:] - begin
        return EncodedSplit(
            name=self.name,
            tokens=tokens,
            offsets=offsets,
            labels=None if self.labels is None else self.labels[first:],
            columns={},
            digest=f"{digest_of(tokens, offsets)}-{self.name}",
            learned=None if self.learned is None else self.learned[begin:],
        )


def digest_of(*arrays: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of arrays' content, one after the other."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class GenerationOptions:
    """Number of test conversations answered per evaluation, and maximum tokens per answer."""

    examples: int
    max_new_tokens: int


@dataclass(frozen=True)
class EncodedTask:
    """A task's two splits as tokens, and the names of its classes (empty for causal-lm).

    Attributes:
        unpacked: whether training examples are whole documents of any length, which
            `fedbytes.data.pack` cuts into rows once they are split among clients.
        packed: whether it cuts training examples out of several documents, or has done so.
        generation: options for generated answers, None for none.
        notes: what to know of the data, in one line each (see `TextData`).
        data_digest: SHA-256 of the texts and labels, whatever the tokenizer.
        holders: who has each training example: `clients`, `server`, or whom an attack looks for;
            None where all are clients'.
        measures: the metric that each test conversation counts for, by whether its answer is the
            greedy one; None for none.
        template: how conversations are written, in Jinja; None for other texts, or where nobody
            says.
    """

    train: EncodedSplit
    test: EncodedSplit
    label_names: tuple[str, ...]
    kind: Kind
    digest: str
    max_length: int
    tokenizer: Tokenizer = field(repr=False, compare=False)
    unpacked: bool = False
    packed: bool = False
    generation: GenerationOptions | None = None
    notes: tuple[str, ...] = ()
    data_digest: str = ""
    holders: Column | None = None
    measures: Column | None = None
    template: str | None = field(default=None, repr=False)

    def held_by(self, holder: str) -> Rows:
        """Return the training examples that a holder has, int64; none where `holders` is None."""
        if self.holders is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.holders == holder).astype(np.int64)
