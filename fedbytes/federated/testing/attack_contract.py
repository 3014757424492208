"""The contract of every attack, as checks that also run on plug-ins of your own."""

from dataclasses import replace
from functools import partial

import numpy as np

from fedbytes.data import EncodedTask
from fedbytes.federated.plugins.attack import ATTACKS, Attack
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.stages.poisoned_data import poison
from fedbytes.federated.testing.plugin_bench import (
    CLIENTS,
    ROUNDS,
    check_checkpoint,
    check_pure,
    draw_deltas,
    federation,
    stage_context,
)
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import TEXT_MODELS, text_model
from fedbytes.testing import Check, Finding, check_spec, require, run_checks

HOSTILE = (1, 4)
_IN_ROUNDS = {"loss", "constraint", "act", "tamper"}


def check_attack(attack: Attack) -> list[Finding]:
    """Run every contract check over an attack, in a federation of ten clients."""
    always = replace(attack, from_round=1, until_round=None)
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(ATTACKS, attack)),
        ("acts in a stage", lambda: _check_stages(attack)),
    ]
    for stage, check in (("act", _check_act), ("tamper", _check_tamper), ("poison", _check_poison)):
        if stage in attack.stages:
            checks.append(
                (
                    f"{stage}: changes nothing it is given, draws from its own",
                    partial(check, always),
                )
            )
    if attack.stages & _IN_ROUNDS:
        checks += [
            ("changes what attackers send, and nothing else", lambda: _check_sent(always)),
            ("rests outside its rounds", lambda: _check_rounds(attack)),
        ]
    return run_checks(
        [*checks, ("resumes from a checkpoint", lambda: check_checkpoint(_alone(always)))]
    )


def _alone(attack: Attack) -> RoundPlugins:
    return RoundPlugins(attack=(attack,))


def _check_stages(attack: Attack) -> str:
    require(bool(attack.stages), "it overrides none of poison, loss, constraint, act and tamper")
    return ", ".join(sorted(attack.stages))


def _check_act(attack: Attack) -> str:
    deltas = draw_deltas("attack")
    known = deltas if attack.knowledge == "all" else {c: deltas[c] for c in HOSTILE}
    made, _ = check_pure(attack.act, known, HOSTILE, stage_context("attack 0 check"), {})
    missing = [client for client in HOSTILE if client not in made]
    require(not missing, f"it returns nothing for attackers {missing}")
    return f"{len(known)} deltas, {len(HOSTILE)} attackers"


def _check_tamper(attack: Attack) -> str:
    run = Rehearsal(federation(RoundPlugins())).go(1)
    entries = zip(run.ledger.entries, run.crossed, strict=True)
    frames = [data for entry, data in entries if entry.client == 1 and entry.direction == "up"]
    context = stage_context("attack 0 check", client=1, round_=1)
    made = check_pure(attack.tamper, 1, frames, context)
    require(all(isinstance(data, bytes) for data in made), "what it returns is not bytes")
    return f"{len(frames)} frames"


def _check_poison(attack: Attack) -> str:
    task: EncodedTask = text_model(**TEXT_MODELS[0]).task  # type: ignore[attr-defined]
    parts = [np.arange(c, len(task.train), CLIENTS) for c in range(CLIENTS)]
    before = [part.copy() for part in parts]
    made, planted = poison([attack], task, parts, 0)
    again, _ = poison([attack], task, parts, 0)
    require(all(map(np.array_equal, parts, before)), "it changes the parts that it is given")
    require(made.train.digest == again.train.digest, "a second time gives other rows")
    held = [planted.held(client, 1, part) for client, part in enumerate(parts)]
    changed = sum(len(planted.among(rows)) for rows in held)
    require(changed > 0, "it plants no row")
    late, resting = poison([replace(attack, from_round=2, until_round=2)], task, parts, 0)
    require(late.train.digest == made.train.digest, "in a later round it makes other rows")
    rest = [resting.held(c, r, part) for c, part in enumerate(parts) for r in (1, 3)]
    require(not any(len(resting.among(rows)) for rows in rest), "it plants outside its rounds")
    return f"{changed} rows planted"


def _check_sent(attack: Attack) -> str:
    runs = [Rehearsal(federation(plugins)) for plugins in (RoundPlugins(), _alone(attack))]
    hostile = {client for _, _, clients in runs[1].attackers.attacks for client in clients}
    for _ in range(2):  # in the first round there is no update yet that an attack could go by
        plain, attacked = (_all_sent(run.go(1)) for run in runs)
        changed = {client for client in range(CLIENTS) if plain[client] != attacked[client]}
        wrong = sorted(changed - hostile)
        require(not wrong, f"honest clients {wrong} send something else")
        if changed:
            return f"{len(changed)} of {CLIENTS} clients"
    require(False, "attackers send what honest clients would")
    return ""


def _all_sent(run: Rehearsal) -> dict[int, list[bytes]]:
    return {client: _sent(run, client) for client in range(CLIENTS)}


def _sent(run: Rehearsal, client: int) -> list[bytes]:
    crossed = zip(run.ledger.entries, run.crossed, strict=True)
    return [d for entry, d in crossed if entry.direction == "up" and entry.client == client]


def _check_rounds(attack: Attack) -> str:
    late = replace(attack, from_round=ROUNDS + 1, until_round=None)
    runs = [Rehearsal(federation(p)).go(ROUNDS) for p in (RoundPlugins(), _alone(late))]
    require(runs[0].crossed == runs[1].crossed, "before its first round other bytes cross")
    return f"{ROUNDS} rounds before its first"
