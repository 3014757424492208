"""Which test texts a classifier answered rightly at the last evaluations: a bit a text."""

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.experiments.store.sealed_json import DamageError

RIGHT_FILE = "predictions.jsonl"
KEPT = 3
"""Evaluations at the end of a run whose answers are stored, unless a protocol averages more."""


def pack_right(round_: int, right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the row of an evaluation: the round, the number of texts, and the bits in base64.

    Args:
        round_: the evaluated round.
        right: [texts] whether each was answered rightly.
    """
    bits = base64.b64encode(np.packbits(right).tobytes()).decode("ascii")
    return {"round": round_, "texts": int(right.size), "right": bits}


def unpack_right(row: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Return bool [texts] of a row that `pack_right` made.

    Raises:
        DamageError: for a row that is none.
    """
    try:
        data = base64.b64decode(row["right"], validate=True)
        texts = int(row["texts"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise DamageError(f"{RIGHT_FILE} is altered ({error})") from error
    if texts < 0 or len(data) != (texts + 7) // 8:
        raise DamageError(f"{RIGHT_FILE} is altered ({len(data)} bytes for {texts} texts)")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=texts).astype(bool)


def kept_rounds(rounds: int, evaluate_every: int, window: int) -> set[int]:
    """Return the last `window` rounds that a run evaluates."""
    evaluated = [r for r in range(1, rounds + 1) if r % evaluate_every == 0 or r == rounds]
    return set(evaluated[-window:])
