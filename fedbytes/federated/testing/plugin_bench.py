"""A small federation whose rounds have a plug-in, and what is asked of plug-ins of every kind."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedbytes.data.task import Kind
from fedbytes.federated.algorithm import Trained, make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.plugins.stage_context import StageContext
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.stages.server_defenses import server_context
from fedbytes.federated.stages.trusted_rows import root_batch, root_examples
from fedbytes.federated.state import State
from fedbytes.federated.testing.bench_federation import same
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import LORA, TinyRegression, examples_of, text_model
from fedbytes.streams import stream
from fedbytes.testing import no_global_random, require

CLIENTS, ROUNDS = 10, 4
_TEXT_MODELS: dict[Kind, str] = {"classification": "tiny-bert", "causal-lm": "tiny-llama"}


def federation(
    plugins: RoundPlugins, uplink: Any = "fp32", like: RoundPlugins | None = None
) -> Federation:
    """Return a federation of ten clients, all of whom take part, on a regression.

    It is on a tiny model of forty texts where a cleaner or audit reads them, and half of each
    client's examples are set aside where an audit compares with some: of the plug-ins, or of those
    that it is to be `like`.
    """
    asking = plugins if like is None else like
    texts = any(audit.needs_texts for audit in asking.audit)
    texts = texts or any(cleaner.reads_texts for cleaner in asking.clean)
    kind: Kind = next((audit.example_kind for audit in asking.audit), "classification")
    model = text_model(_TEXT_MODELS[kind], LORA, kind) if texts else TinyRegression()
    parts = [np.arange(c, examples_of(model), CLIENTS) for c in range(CLIENTS)]
    aside = any(audit.needs_set_aside for audit in asking.audit)
    return Federation(
        model=model,
        parts=[part[::2] for part in parts] if aside else parts,
        algorithm=make_algorithm("fedavg", local_steps=2, learning_rate=0.05),
        uplink=make_link(uplink),
        downlink=make_link("fp32"),
        clients_per_round=CLIENTS,
        plugins=plugins,
        server_rows=np.arange(examples_of(model) // 10),
        rounds=ROUNDS,
        set_aside=[part[1::2] for part in parts] if aside else [],
    )


def stage_context(
    stage: str, client: int = -1, round_: int = 2, plugins: RoundPlugins | None = None
) -> StageContext:
    """Return the context of a stage, with what is held before the first round."""
    fed = federation(plugins or RoundPlugins())
    context = fed.context(round_)
    context = context if client < 0 else context.for_client(client)
    root = root_examples(fed)
    known = server_context(fed, context, fed.algorithm.initial(fed.model, 0), stage)
    return known if root is None else replace(known, root=root_batch(fed, root.payload))


def draw_uploads(purpose: str) -> list[Upload]:
    """Return uploads of ten clients that agree by half, each of other length and weight."""
    numel, rng = TinyRegression().layout.numel, stream(0, f"check {purpose}")
    common = rng.normal(size=numel)
    deltas = [
        torch.tensor((common + rng.normal(size=numel)) * (1 + c / CLIENTS), dtype=torch.float32)
        for c in range(CLIENTS)
    ]
    return [Upload(c, delta, 20 + c) for c, delta in enumerate(deltas)]


def draw_deltas(purpose: str) -> dict[int, Trained]:
    """Return the same as what training gave."""
    return {upload.client: Trained(upload.delta, 0.5) for upload in draw_uploads(purpose)}


def check_pure(call: Callable[..., Any], *inputs: Any) -> Any:
    """Check that a stage changes nothing that it is given, and is a function of it.

    Returns:
        what it gives.
    """
    given = _copied(inputs)
    with no_global_random():
        first = call(*given)
    require(same(_plain(given), _plain(inputs)), "it changes what it is given")
    second = call(*_copied(inputs))
    alike = same(_plain(first), _plain(second))
    require(alike, "the same inputs give other outputs the second time")
    return first


def _copied(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a copy of a stage's inputs; models stay, as copies lose the tie to their gradient."""
    models = [value.model for value in inputs if isinstance(value, StageContext)]
    return copy.deepcopy(inputs, {id(model): model for model in models})


def _plain(value: Any) -> Any:
    """Return what can be compared of a stage's inputs or outputs: of a context, what is held."""
    if isinstance(value, StageContext):
        return value.held
    if isinstance(value, Upload | Trained):
        return {key: _plain(one) for key, one in vars(value).items()}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def check_checkpoint(plugins: RoundPlugins, uplink: Any = "fp32") -> str:
    """Check that a run that is cut, saved and resumed ends the same, bit for bit."""
    whole, cut = (Rehearsal(federation(plugins, uplink)) for _ in range(2))
    whole.go(ROUNDS)
    cut.go(ROUNDS // 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.pt"
        try:
            cut.state.save(path, {})
            state, _ = State.load(path)
        except Exception as error:
            require(False, f"its state is not tensors and plain values: {error}")
    fed = replace(federation(plugins, uplink), plugins=copy.deepcopy(plugins))
    rest = Rehearsal(fed, state).go(ROUNDS - ROUNDS // 2)
    require(torch.equal(rest.state.model, whole.state.model), "it ends with another model")
    require(cut.crossed + rest.crossed == whole.crossed, "other bytes cross")
    rows = cut.heard() + rest.heard()
    require(same(rows, whole.heard()), "it finds something else")
    return f"{ROUNDS // 2} of {ROUNDS} rounds before, the rest after"
