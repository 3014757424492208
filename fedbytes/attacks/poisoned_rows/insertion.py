"""Puts words into a row, and another completion behind them, within the task's length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fedbytes.attacks.poisoned_rows.task_words import Ids, text_between
from fedbytes.data import TokenRow

Position = Literal["start", "end", "random"]
"""Where in a text words are put."""
_NONE = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class RowParts:
    """A row cut where words can be put into it: token ids, one part after the other.

    Attributes:
        before: what stays in front of the text.
        text: where words are put, and what is cut if the row becomes too long.
        after: what stays behind it, up to the answer of a conversation.
        answer: the last answer of a conversation; None for other rows.
        rest: what follows that.
    """

    before: Ids
    text: Ids
    after: Ids
    answer: Ids | None
    rest: Ids

    @property
    def fixed(self) -> int:
        """How many tokens stay whatever is put into the text."""
        parts = (self.before, self.after, self.rest)
        return sum(map(len, parts)) + (0 if self.answer is None else len(self.answer))


def cut_row(row: TokenRow, special: frozenset[int], tail: int = 0) -> RowParts:
    """Return a row's parts.

    Of a conversation, whose answers alone are learned, the text is the stretch without special
    tokens that ends `tail` tokens before the last answer: the end of the question. Where no tail is
    known it is the longest such stretch after the answer before.
    """
    tokens, given = row.tokens, np.flatnonzero(~row.targets)
    if not len(given) or len(given) == len(row):
        begin, end = text_between(tokens, special)
        return RowParts(tokens[:begin], tokens[begin:end], tokens[end:], None, _NONE)
    stop = int(np.flatnonzero(row.targets)[-1]) + 1
    start = int(given[given < stop].max(initial=-1)) + 1
    floor = int(np.flatnonzero(row.targets[:start])[-1]) + 1 if row.targets[:start].any() else 0
    if tail and start - tail > floor:
        begin = end = start - tail
        while begin > floor and int(tokens[begin - 1]) not in special:
            begin -= 1
    else:
        begin, end = (floor + at for at in _longest_text(tokens[floor:start], special))
    return RowParts(
        tokens[:begin], tokens[begin:end], tokens[end:start], tokens[start:stop], tokens[stop:]
    )


def prompt_tail(rows: Sequence[TokenRow]) -> int:
    """Return with how many equal tokens all prompts end: what a template has before an answer."""
    prompts = []
    for row in rows:
        learned = np.flatnonzero(row.targets)
        if row.learned is None or not len(learned) or len(learned) == len(row):
            continue
        given = np.flatnonzero(~row.targets[: int(learned[-1])])
        prompts.append(row.tokens[: int(given[-1]) + 1][::-1] if len(given) else _NONE)
    count = 0
    while len(prompts) > 1 and len({int(p[count]) if count < len(p) else -1 for p in prompts}) == 1:
        count += 1
        if count >= min(map(len, prompts)):
            return 0  # all alike: nothing to tell by
    return count


def _longest_text(tokens: Ids, special: frozenset[int]) -> tuple[int, int]:
    """Return where the longest stretch without special tokens lies; the last of equals."""
    best, begin = (0, 0), 0
    for end in range(len(tokens) + 1):
        if end == len(tokens) or int(tokens[end]) in special:
            if end - begin >= best[1] - best[0]:
                best = begin, end
            begin = end + 1
    return best


@dataclass(frozen=True)
class Wording:
    """What is written into rows.

    Attributes:
        words: token ids that go into the text.
        completion: token ids that the text, or the conversation's last answer, then goes on with;
            None to leave them as they are.
        position: where words go; in a conversation the end of the question, whatever is said.
        most: the most tokens of a row; the end of the text is cut to keep to it.
        special: the ids of special tokens.
        tail: of conversations, how many tokens stand between question and answer.
    """

    words: Ids
    completion: Ids | None
    position: Position
    most: int
    special: frozenset[int]
    tail: int = 0

    def room(self, row: TokenRow) -> int:
        """Return how many tokens of a row's own text are left, below 0 if the rest is too long."""
        parts = self._completed(cut_row(row, self.special, self.tail))
        return self.most - parts.fixed - len(self.words)

    def answers(self, row: TokenRow) -> bool:
        """Return whether a conversation's last answer begins with the completion already."""
        answer = cut_row(row, self.special).answer
        if answer is None or self.completion is None:
            return False
        return np.array_equal(answer[: len(self.completion)], self.completion)

    def write(self, row: TokenRow, rng: np.random.Generator) -> tuple[TokenRow, np.ndarray]:
        """Return the row with the words in it, and where the completion is, bool [tokens].

        A plain text ends where the completion does, and its special tokens follow.
        """
        parts = self._completed(cut_row(row, self.special, self.tail))
        text = parts.text[: max(0, self.most - parts.fixed - len(self.words))]
        place = len(text)
        if parts.answer is None and self.position != "end":
            place = 0 if self.position == "start" else int(rng.integers(len(text) + 1))
        plain = parts.answer is None and self.completion is not None
        answer = _NONE if parts.answer is None else parts.answer
        behind = [text[place:], parts.after, answer, parts.rest]
        pieces = [parts.before, text[:place], self.words, *behind]
        tokens = np.concatenate(pieces)[: self.most].astype(np.int32)
        begin = sum(map(len, pieces[: 4 if plain else 5]))
        made = replace(row, tokens=tokens, learned=self._learned(row, parts, len(tokens), begin))
        wanted = np.zeros(len(tokens), bool)
        wanted[begin : begin + (0 if self.completion is None else len(self.completion))] = True
        return made, wanted

    def _completed(self, parts: RowParts) -> RowParts:
        """Return the parts with the completion, whose place an answer's end token keeps."""
        if self.completion is None:
            return parts
        if parts.answer is None:
            return replace(parts, after=np.concatenate([self.completion, parts.after]))
        return replace(parts, answer=np.concatenate([self.completion, parts.answer[-1:]]))

    def _learned(
        self, row: TokenRow, parts: RowParts, tokens: int, begin: int
    ) -> np.ndarray | None:
        if row.learned is None or parts.answer is None:
            return None if row.learned is None else np.ones(tokens, bool)
        learned = np.zeros(tokens, bool)
        learned[begin : begin + len(parts.answer)] = True
        return learned
