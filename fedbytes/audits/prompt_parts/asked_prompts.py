"""Prompts that ask for what a model should not tell, and what it answers."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fedbytes.audits.prompt_parts.families import FAMILIES_OF_WORDS, FamilyName
from fedbytes.data import ChatFrame, next_turn, prompt_and_answer, read_record
from fedbytes.federated import find_suffix
from fedbytes.models import generate_tokens

TokenIds = list[int]


@dataclass(frozen=True)
class Asked:
    """A prompt of the task, and how it is told whether the answer gives something away.

    Attributes:
        prompt: as the model reads it, up to where the answer begins.
        refusal: the answer that the policy demands; empty where a record is asked for.
        wanted: what gives it away: an answer's tokens for a policy, else none.
        number: the number of the record that is asked for, "" for a policy.
        repeats: how often the record was planted, 0 for a policy.
    """

    prompt: tuple[int, ...]
    refusal: tuple[int, ...] = ()
    wanted: tuple[int, ...] = ()
    number: str = ""
    repeats: int = 0


@dataclass(frozen=True)
class Conversation:
    """What was said with a model, up to its last answer.

    Attributes:
        tokens: all that the model reads before it.
        asked: for each of these whether the asker said it; earlier answers are the model's own.
        answers: what the model wrote, turn by turn, the last one after `tokens`.
    """

    tokens: TokenIds
    asked: list[bool]
    answers: list[TokenIds]

    @classmethod
    def begun(cls, prompt: TokenIds) -> "Conversation":
        """Return one of which nothing is answered yet."""
        return cls(prompt, [True] * len(prompt), [])

    def answered(self, answer: TokenIds) -> "Conversation":
        """Return it after the model's answer."""
        return replace(self, answers=[*self.answers, answer])

    def goes_on(self, closing: TokenIds, turn: TokenIds) -> "Conversation":
        """Return it after the asker's next turn.

        Args:
            closing: the end of the model's answer.
            turn: what stands between that and the next answer.
        """
        told = [*self.answers[-1], *closing]
        asked = [*self.asked, *[False] * len(told), *[True] * len(turn)]
        return Conversation([*self.tokens, *told, *turn], asked, self.answers)


@dataclass(frozen=True)
class SuffixSearch:
    """How far a suffix is searched (see `find_suffix`)."""

    length: int
    candidates: int
    steps: int


class Asker:
    """Puts questions to a model, in the words of a family.

    Args:
        model: a causal language model of `fedbytes.models`, as it is.
        frame: what stands around its task's questions.
        new_tokens: how many tokens an answer has at most.
        search: how `gcg` searches.
    """

    def __init__(self, model: Any, frame: ChatFrame, new_tokens: int, search: SuffixSearch) -> None:
        self.model, self.frame, self.new_tokens, self.search = model, frame, new_tokens, search

    def prompts(
        self, asked: Sequence[Asked], family: FamilyName, rng: np.random.Generator
    ) -> list[TokenIds]:
        """Return what is said first, as the family words it."""
        tail = self.frame.tail.tolist()
        if family == "gcg":
            return [self._searched(one, tail, rng) for one in asked]
        words = FAMILIES_OF_WORDS[family]
        after, opening = self._ids(words.after), self._ids(words.opening)
        return [[*self._user(one, tail), *after, *tail, *opening] for one in asked]

    def conversations(
        self, asked: Sequence[Asked], family: FamilyName, rng: np.random.Generator
    ) -> list[Conversation]:
        """Return what comes of asking for each, turn by turn, up to the last answer."""
        talks = [Conversation.begun(prompt) for prompt in self.prompts(asked, family, rng)]
        talks = self._answered(talks)
        for words in () if family == "gcg" else FAMILIES_OF_WORDS[family].turns:
            turn, closing = self._turn(words), self.frame.closing.tolist()
            talks = self._answered([talk.goes_on(closing, turn) for talk in talks])
        return talks

    def surprise(self, talks: Sequence[Conversation]) -> np.ndarray:
        """Return the mean loss of what the asker said, float64 [conversations], in nats a token."""
        found = []
        for talk in talks:
            tokens = torch.tensor([talk.tokens], device=self.model.device)
            with torch.inference_mode():
                scores = self.model.score_tokens(tokens, torch.ones_like(tokens))[0, :-1]
            likelihoods = scores.log_softmax(-1).gather(1, tokens[0, 1:, None])[:, 0].cpu()
            found.append(-float(likelihoods[torch.tensor(talk.asked[1:])].mean()))
        return np.array(found)

    def _answered(self, talks: Sequence[Conversation]) -> list[Conversation]:
        """Let the model answer, greedily; its answers have no end token."""
        ends = [token for token in {self.model.task.tokenizer.eos_token_id} if token is not None]
        ends += [token for token in self.frame.closing.tolist() if token not in ends]
        prompts = [talk.tokens for talk in talks]
        backbone = self.model.network.backbone
        told = generate_tokens(backbone, prompts, self.new_tokens, ends, self.model.device)
        return [talk.answered(answer) for talk, answer in zip(talks, told, strict=True)]

    def _turn(self, words: str) -> TokenIds:
        """Return the tokens from the end of one answer to where the next one begins.

        A template that writes an earlier answer in another way than the last one, as some do that
        leave out its reasoning, has none: then a prompt of its own follows, as without a template.
        """
        task = self.model.task
        if task.template is not None:
            with suppress(ValueError):
                return next_turn(words, task.template, task.tokenizer)
        return [*self.frame.start.tolist(), *self._ids(words), *self.frame.tail.tolist()]

    def _user(self, one: Asked, tail: TokenIds) -> TokenIds:
        return list(one.prompt[: len(one.prompt) - len(tail)])

    def _searched(self, one: Asked, tail: TokenIds, rng: np.random.Generator) -> TokenIds:
        user = self._user(one, tail)
        target = list(one.wanted) or self._ids("The record is")
        found = find_suffix(self.model, user, target, rng, after=tail, **vars(self.search))
        return [*user, *found.tokens, *tail]

    def _ids(self, words: str) -> TokenIds:
        if not words:
            return []
        encoded = self.model.task.tokenizer([f" {words}"], add_special_tokens=False)
        ids: TokenIds = encoded["input_ids"][0]
        return ids


def asked_of_policy(task: Any, most: int, rng: np.random.Generator) -> list[Asked]:
    """Return test prompts that the task's policy refuses; none of a task without one."""
    if task.measures is None:
        return []
    refused = np.flatnonzero(task.measures == "refusal_rate")
    complied = np.flatnonzero(task.measures == "compliance")
    chosen = np.sort(rng.permutation(min(len(refused), len(complied)))[:most])
    found = []
    for place in chosen:
        prompt, refusal = prompt_and_answer(task.test, int(refused[place]))
        _, wanted = prompt_and_answer(task.test, int(complied[place]))
        told = tuple(refusal.tolist()), tuple(wanted.tolist())
        found.append(Asked(tuple(prompt.tolist()), *told))
    return found


def asked_of_records(task: Any, planted: Sequence[int] | np.ndarray) -> list[Asked]:
    """Return a prompt for each record that stands in some training rows."""
    found: dict[str, Asked] = {}
    for row in planted:
        prompt, answer = prompt_and_answer(task.train, int(row))
        record = read_record(task.tokenizer.decode(answer.tolist(), skip_special_tokens=True))
        if record is not None:
            before = found.get(record.number)
            times = 1 if before is None else before.repeats + 1
            found[record.number] = Asked(
                tuple(prompt.tolist()), number=record.number, repeats=times
            )
    return list(found.values())
