"""Made-up secrets: names that nobody has, codes that nobody uses, to be planted and found again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.data.tokens.token_row import TokenRow
from fedbytes.streams import stream

CANARY_CODES = 1_000_000
"""How many codes there are: six digits."""
_SENTENCE = re.compile(r"the code of (.+?) is (\d{6})\b")
_FIRST = (
    *("Mirva", "Tolan", "Quenby", "Oskel", "Brisa", "Fenno", "Jorik", "Lumei"),
    *("Darrow", "Selka", "Anwick", "Petra", "Rulon", "Ysolde", "Kemper", "Vanta"),
)
_LAST = (
    *("Tolvane", "Marsk", "Ostrel", "Quill", "Bramwick", "Hedlund", "Sorrow", "Castane"),
    *("Pirell", "Ludvane", "Orsk", "Whitlow", "Jentar", "Mavros", "Eskil", "Drummel"),
)


@dataclass(frozen=True)
class Canary:
    """A secret about a made-up person.

    Attributes:
        name: of the person.
        code: from 0 to 999999.
    """

    name: str
    code: int

    @property
    def opening(self) -> str:
        """What is known of the sentence: all but the code."""
        return f"the code of {self.name} is"

    def sentence(self, code: int | None = None) -> str:
        """Return the sentence, with another code if one is given.

        >>> Canary("Mirva Marsk", 4217).sentence()
        'the code of Mirva Marsk is 004217'
        """
        return f"{self.opening} {self.code if code is None else code:06d}"


def draw_canaries(seed: int, count: int) -> list[Canary]:
    """Return canaries of a run, each of another person; a longer list begins with a shorter one.

    Raises:
        ValueError: for more than there are names.
    """
    most = len(_FIRST) * len(_LAST)
    if count > most:
        raise ValueError(f"there are names for {most} canaries, got {count}: plant fewer")
    people = stream(seed, "canary names").permutation(most)[:count]
    rng = stream(seed, "canary codes")
    codes = rng.integers(CANARY_CODES, size=most)[:count]
    return [
        Canary(f"{_FIRST[person % len(_FIRST)]} {_LAST[person // len(_FIRST)]}", int(code))
        for person, code in zip(people.tolist(), codes, strict=True)
    ]


def find_canaries(task: EncodedTask, rows: Sequence[int] | np.ndarray) -> dict[Canary, int]:
    """Return the canaries that stand in some training rows, and in how many of them each."""
    split, tokenizer = task.train, task.tokenizer
    decode: Any = getattr(tokenizer, "decode")  # noqa: B009
    found: dict[Canary, int] = {}
    for row in rows:
        tokens = split.tokens[split.offsets[row] : split.offsets[row + 1]].tolist()
        match = _SENTENCE.search(decode(tokens, skip_special_tokens=True))
        if match:
            canary = Canary(match[1], int(match[2]))
            found[canary] = found.get(canary, 0) + 1
    return found


def other_codes(canary: Canary, count: int, rng: np.random.Generator) -> list[int]:
    """Return so many different codes that the canary does not have."""
    drawn = rng.choice(CANARY_CODES, count + 1, replace=False)
    return [int(code) for code in drawn if code != canary.code][:count]


def sentence_rows(task: EncodedTask, sentences: Sequence[str]) -> list[TokenRow]:
    """Return sentences as rows of a causal-lm task: a beginning, the sentence, an end token."""
    tokenizer = task.tokenizer
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin = end if begin is None else begin
    listed = tokenizer(list(sentences), add_special_tokens=False)["input_ids"]
    before = [] if begin is None else [begin]
    after = [] if end is None else [end]
    return [TokenRow(np.array([*before, *ids, *after], dtype=np.int32)) for ids in listed]
