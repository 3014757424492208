"""Single rows of a split, and splits made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedbytes.data.tokens.encoded import EncodedSplit, digest_of


@dataclass(frozen=True)
class TokenRow:
    """One example of a split.

    Attributes:
        tokens: int32 [tokens].
        label: an index into the task's `label_names`; None for causal-lm.
        learned: bool [tokens], the tokens in the loss; None for all.
    """

    tokens: npt.NDArray[np.int32]
    label: int | None = None
    learned: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def same_as(self, other: "TokenRow") -> bool:
        """Return whether both teach the same."""
        return (
            self.label == other.label
            and np.array_equal(self.tokens, other.tokens)
            and np.array_equal(self.targets, other.targets)
        )

    @property
    def targets(self) -> npt.NDArray[np.bool_]:
        """Which tokens are in the loss, bool [tokens]."""
        return np.ones(len(self), bool) if self.learned is None else self.learned


def row_of(split: EncodedSplit, index: int) -> TokenRow:
    """Return an example of a split."""
    begin, end = int(split.offsets[index]), int(split.offsets[index + 1])
    return TokenRow(
        np.array(split.tokens[begin:end]),
        None if split.labels is None else int(split.labels[index]),
        None if split.learned is None else np.array(split.learned[begin:end]),
    )


def split_of(name: str, rows: Sequence[TokenRow]) -> EncodedSplit:
    """Return rows as a split; it has no columns.

    Raises:
        ValueError: if there are none.
    """
    if not rows:
        raise ValueError(f"split {name!r} would have no rows")
    tokens = np.concatenate([row.tokens for row in rows]).astype(np.int32)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    labels = learned = None
    if rows[0].label is not None:
        labels = np.array([row.label for row in rows], dtype=np.int64)
    if any(row.learned is not None for row in rows):
        learned = np.concatenate([row.targets for row in rows])
    digest = f"{digest_of(tokens, offsets)}-{name}"
    return EncodedSplit(name, tokens, offsets, labels, {}, digest, learned=learned)


def extend_split(split: EncodedSplit, rows: Sequence[TokenRow]) -> EncodedSplit:
    """Return a split with rows after its own, which keep their numbers.

    What was computed of the split's own rows can be used again (see `EncodedSplit.extends`). The
    new split has no columns.
    """
    if not rows:
        return split
    new = split_of(split.name, rows)
    tokens = np.concatenate([split.tokens, new.tokens])
    offsets = np.concatenate([split.offsets, split.offsets[-1] + new.offsets[1:]])
    labels = learned = None
    if split.labels is not None and new.labels is not None:
        labels = np.concatenate([split.labels, new.labels])
    if split.learned is not None or new.learned is not None:
        learned = np.concatenate([_learned(split), _learned(new)])
    return EncodedSplit(
        name=split.name,
        tokens=tokens,
        offsets=offsets,
        labels=labels,
        columns={},
        digest=f"{digest_of(tokens, offsets)}-{split.name}",
        learned=learned,
        extends=split,
    )


def _learned(split: EncodedSplit) -> npt.NDArray[np.bool_]:
    return np.ones(len(split.tokens), bool) if split.learned is None else split.learned
