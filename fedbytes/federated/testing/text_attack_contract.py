"""The contract of every attack on texts, as checks that also run on plug-ins of your own."""

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import torch

from fedbytes.data.task import Kind
from fedbytes.federated.adversarial.victim import (
    TargetText,
    TextOutcome,
    Victim,
    vocabulary_of,
)
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, TextAttack, WordAttack
from fedbytes.federated.testing.tiny_models import LORA, text_model
from fedbytes.streams import stream
from fedbytes.testing import Check, Finding, check_spec, no_global_random, require, run_checks

_TEXTS = 6
_PROMPT = 8


def check_text_attack(attack: TextAttack) -> list[Finding]:
    """Run every contract check over an attack on texts, against a tiny model."""
    kind: Kind = "classification" if attack.attacks == "classifier" else "causal-lm"
    model: Any = text_model("tiny-bert" if kind == "classification" else "tiny-llama", LORA, kind)
    drawn = stream(0, "check weights").normal(0, 0.3, model.layout.numel)
    model.set_state(torch.from_numpy(drawn.astype(np.float32)))
    victims = partial(_victims, attack, model)
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(TEXT_ATTACKS, attack)),
        ("keeps its budget", lambda: _check_budget(attack, victims())),
        ("says what the model says", lambda: _check_verdicts(attack, victims())),
        ("the same seed finds the same", lambda: _check_repeats(attack, victims)),
        ("leaves the model alone", lambda: _check_model(attack, model, victims())),
    ]
    return run_checks(checks)


def _victims(attack: TextAttack, model: Any) -> list[Victim]:
    """Return texts that the model withstands: what it takes for their classes is their class."""
    split, vocabulary = model.task.test, vocabulary_of(model)
    found = []
    for row in range(_TEXTS):
        tokens = split.tokens[split.offsets[row] : split.offsets[row + 1]]
        label = -1
        if attack.attacks == "classifier":
            whole = torch.from_numpy(tokens.astype(np.int64))[None]
            label = int(model.score_tokens(whole, torch.ones_like(whole)).argmax())
        kept = tokens.tolist() if label >= 0 else tokens[:_PROMPT].tolist()
        found.append(Victim(model, TargetText.of(kept, vocabulary, label), attack.queries))
    return found


def _attacked(attack: TextAttack, victims: list[Victim]) -> list[TextOutcome]:
    require(bool(victims), "the model withstands none of the texts as they are")
    return [attack.attack(v, stream(0, "check texts", n)) for n, v in enumerate(victims)]


def _check_budget(attack: TextAttack, victims: list[Victim]) -> str:
    for victim, outcome in zip(victims, _attacked(attack, victims), strict=True):
        require(outcome.queries == victim.queries, "it says another number of queries than it made")
        most = attack.queries
        require(outcome.queries <= most, f"it makes {outcome.queries} queries of at most {most}")
        if isinstance(attack, WordAttack):
            words = attack.most(victim.text)
            require(outcome.changed <= words, f"it changes {outcome.changed} of {words} words")
            assert outcome.tokens is not None
            require(
                _apart(victim, outcome) <= outcome.changed, "it changes more words than it says"
            )
    return f"{max(victim.queries for victim in victims)} queries at most"


def _apart(victim: Victim, outcome: TextOutcome) -> int:
    """Return how many words of the text are not in the changed one."""
    assert outcome.tokens is not None
    now = Counter(victim.vocabulary.pieces(outcome.tokens))
    own = Counter(victim.text.pieces[place] for place in victim.text.words)
    return sum((own - now).values())


def _check_verdicts(attack: TextAttack, victims: list[Victim]) -> str:
    outcomes = _attacked(attack, victims)
    if attack.attacks == "classifier":
        for victim, outcome in zip(victims, outcomes, strict=True):
            if outcome.tokens is not None:
                again = Victim(victim.model, victim.text, 1)
                fooled = again.margins([outcome.tokens])[0] < 0
                require(fooled == outcome.fooled, "the model says otherwise of the changed text")
    return f"{sum(outcome.fooled for outcome in outcomes)} of {len(outcomes)} fooled"


def _check_repeats(attack: TextAttack, victims: Any) -> str:
    with no_global_random():
        first = _attacked(attack, victims())
    require(first == _attacked(attack, victims()), "a second time it finds something else")
    return f"{len(first)} texts"


def _check_model(attack: TextAttack, model: Any, victims: list[Victim]) -> str:
    state, gradient = model.get_state(), model.flat.grad.clone()
    _attacked(attack, victims)
    require(torch.equal(model.get_state(), state), "it moves the model")
    require(torch.equal(model.flat.grad, gradient), "it adds to the model's gradient")
    tokens = torch.from_numpy(np.ones((1, 4), dtype=np.int64))
    scored = model.score_tokens(tokens, tokens)
    require(scored.grad_fn is not None, "it leaves the model without a graph")
    return "state and gradient are as before"
