"""What stands around questions and answers in the rows of a task: its template, as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Int32s
from fedbytes.data.tokens.encoded import EncodedSplit
from fedbytes.data.tokens.token_row import TokenRow

_LOOKED_AT = 50


@dataclass(frozen=True, eq=False)
class ChatFrame:
    """The tokens that all prompts and answers of a task share.

    Attributes:
        start: with which every prompt begins: a template's heading, or words of the task.
        tail: with which every prompt ends, before the answer.
        closing: with which every answer ends.
    """

    start: Int32s
    tail: Int32s
    closing: Int32s

    @classmethod
    def of(cls, split: EncodedSplit) -> "ChatFrame":
        """Find the frame of a split's conversations.

        Raises:
            ValueError: if it has less than two conversations to compare.
        """
        pairs = [
            pair
            for row in range(min(len(split), _LOOKED_AT))
            if len((pair := prompt_and_answer(split, row))[0])
        ]
        if split.learned is None or len(pairs) < 2:
            raise ValueError(
                "the frame of conversations is found by comparing some, and there are "
                f"{len(pairs)} with a prompt: take an instruction task such as news-instruct"
            )
        prompts, answers = [prompt for prompt, _ in pairs], [answer for _, answer in pairs]
        start = _common(prompts)
        tail = _common([prompt[start:][::-1] for prompt in prompts])
        closing = min(1, _common([answer[::-1] for answer in answers]))
        first, last = prompts[0], answers[0]
        return cls(first[:start], first[len(first) - tail :], last[len(last) - closing :])

    def row(self, question: Sequence[int], answer: Sequence[int]) -> TokenRow:
        """Return a conversation of one question, of which the answer is learned."""
        asked = [*self.start, *question, *self.tail]
        told = [*answer, *self.closing]
        learned = np.zeros(len(asked) + len(told), dtype=bool)
        learned[len(asked) :] = True
        return TokenRow(np.array([*asked, *told], dtype=np.int32), learned=learned)


def prompt_and_answer(split: EncodedSplit, row: int) -> tuple[Int32s, Int32s]:
    """Return the tokens before a conversation's first answer, and that answer, end included.

    Both are empty where it has no answer, and the first where nothing is but learned.
    """
    begin, end = int(split.offsets[row]), int(split.offsets[row + 1])
    tokens = split.tokens[begin:end]
    learned = np.zeros(0, bool) if split.learned is None else split.learned[begin:end]
    if not learned.any():
        return tokens[:0], tokens[:0]
    first = int(np.argmax(learned))
    rest = learned[first:]
    length = len(rest) if rest.all() else int(np.argmin(rest))
    return tokens[:first], tokens[first : first + length]


def _common(rows: Sequence[Int32s]) -> int:
    """Return with how many equal tokens all rows begin, one less than the shortest has at most."""
    shortest = min(map(len, rows)) - 1
    if shortest < 1:
        return 0
    table = np.stack([row[:shortest] for row in rows])
    equal = (table == table[0]).all(0)
    return shortest if equal.all() else int(np.argmin(equal))
