"""The contract of every adapter, as checks that also run on plug-ins of your own."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import torch
from torch import Tensor

from fedbytes.data.task import Kind
from fedbytes.models.adapter import ADAPTERS, Adapter
from fedbytes.models.base.base_model import Base, forget_bases, load_base
from fedbytes.models.side_by_side.check import check_side_by_side
from fedbytes.models.testing.tiny_task import require_learning, tiny_model_of
from fedbytes.models.trainable import TrainableModel
from fedbytes.testing import (
    BrokenError,
    Check,
    Finding,
    check_spec,
    no_global_random,
    require,
    run_checks,
)

_MODELS: tuple[tuple[str, Kind], ...] = (
    ("tiny-bert", "classification"),
    ("tiny-llama", "causal-lm"),
    ("tiny-llama", "classification"),
)
_SEED = 5


def check_adapter(adapter: Adapter) -> list[Finding]:
    """Run every contract check over an adapter, on the tiny models that it attaches to.

    Args:
        adapter: any instance, registered or not; it needs a `name`.
    """
    untouched = {case: _snapshot(load_base(*case)) for case in _MODELS}
    suits, reasons = [], []
    for model, kind in _MODELS:
        try:
            tiny_model_of(model, adapter, kind)
        except ValueError as error:
            reasons.append(f"{model} ({kind}): {error}")
        except Exception as error:  # a finding, whatever a user's code raises
            return [Finding(f"attaches to {model}", False, f"{type(error).__name__}: {error}")]
        else:
            suits.append((model, kind))
    if not suits:
        return [Finding("attaches to a tiny model", False, "; ".join(reasons))]
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(ADAPTERS, adapter)),
        ("attaches to a tiny model", lambda: "; ".join(f"{m} ({kind})" for m, kind in suits)),
    ]
    for model, kind in suits:
        checks += [
            (f"{model}, {kind}: {name}", partial(check, adapter, model, kind))
            for name, check in _checks()
        ]
        leaves = partial(_check_base, adapter, model, kind, untouched[model, kind])
        checks.append((f"{model}, {kind}: leaves the shared base as it was", leaves))
    return run_checks(checks)


def _checks() -> Iterator[tuple[str, Callable[[Adapter, str, Kind], str]]]:
    yield "trained tensors are finite and counted", _check_trained
    yield "its seed alone decides the initial state", _check_initial
    yield "leaves the global random state alone", _check_global_random
    yield "a step lowers the loss", _check_learning
    yield "several clients' tensors act on their own rows", _check_side_by_side


def _check_trained(adapter: Adapter, model: str, kind: Kind) -> str:
    base = load_base(model, kind)
    backbone = base.shared_copy()
    shared = {id(parameter) for parameter in base.model.parameters()}
    with torch.random.fork_rng(devices=[]):
        names = adapter.attach(backbone)
    held = dict(backbone.named_parameters())
    unknown = sorted(set(names) - set(held))
    require(not unknown, f"attach names parameters that the model lacks: {', '.join(unknown)}")
    added = [n for n, p in held.items() if p.requires_grad and id(p) not in shared]
    left = sorted(set(added) - set(names) - set(adapter.frozen(backbone)))
    require(not left, f"added, and neither trained nor frozen: {', '.join(left)}")
    counted = sum(held[name].numel() for name in names)
    built = tiny_model_of(model, adapter, kind)
    shapes, numel = built.layout.shapes, built.layout.numel
    above = sum(prod(shape) for name, shape in shapes.items() if name.startswith("head."))
    require(numel == counted + above, f"{numel} trained numbers, but attach names {counted}")
    start = built.initial_state
    require(start.numel() == numel, f"{start.numel()} initial values for {numel} numbers")
    require(bool(torch.isfinite(start).all()), "initial values are not finite")
    return f"{counted} numbers in {len(names)} tensors, and {above} of the head"


def _check_initial(adapter: Adapter, model: str, kind: Kind) -> str:
    one, two = (_built(adapter, model, kind, generator) for generator in (1, 2))
    same = torch.equal(one.draw_initial(_SEED), two.draw_initial(_SEED))
    require(same, "two models draw other initial values from one seed")
    states = (built.network.state_dict() for built in (one, two))
    differ = _differences(*states)
    require(not differ, f"drawn from a global generator: {', '.join(differ[:5])}")
    drawn = not torch.equal(one.draw_initial(_SEED), one.draw_initial(_SEED + 1))
    return "drawn from the seed" if drawn else "the same for every seed"


def _built(adapter: Adapter, model: str, kind: Kind, generator: int) -> TrainableModel:
    """Return a model that is built where torch's global generator stands at `generator`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator)
        return tiny_model_of(model, adapter, kind, _SEED)


def _check_global_random(adapter: Adapter, model: str, kind: Kind) -> str:
    tiny_model_of(model, adapter, kind)  # libraries that load on first use may draw
    with no_global_random():
        built = tiny_model_of(model, adapter, kind)
        built.set_state(built.draw_initial(_SEED))
        built.evaluate()
    return ""


def _check_learning(adapter: Adapter, model: str, kind: Kind) -> str:
    if adapter.trains_words():
        return "trains tokens of the vocabulary, which have no gradient"
    return require_learning(tiny_model_of(model, adapter, kind))


def _check_side_by_side(adapter: Adapter, model: str, kind: Kind) -> str:
    built = tiny_model_of(model, adapter, kind)
    if built.one_at_a_time:
        return built.one_at_a_time
    try:
        check_side_by_side(built, model)
    except ValueError as error:
        raise BrokenError(str(error)) from None
    return "two clients"


def _snapshot(base: Base) -> dict[str, Tensor]:
    """Return copies of a base's tensors, and the states that it computes for a few tokens."""
    held = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    with torch.no_grad():
        states: Tensor = base.model(input_ids=torch.arange(4, 20).reshape(2, 8))[0]
    return held | {"what it computes": states}


def _check_base(adapter: Adapter, model: str, kind: Kind, before: dict[str, Tensor]) -> str:
    base = load_base(model, kind)
    built = tiny_model_of(model, adapter, kind)
    if not adapter.trains_words():
        require_learning(built)
    built.set_state(built.initial_state + 0.25)
    changed = _differences(before, _snapshot(base))
    if changed:
        forget_bases()
    require(not changed, f"changed of the base that all share: {', '.join(changed[:5])}")
    marked = [name for name, p in base.model.named_parameters() if p.requires_grad]
    require(not marked, f"marked as trained in the shared base: {', '.join(marked[:5])}")
    return f"{len(before) - 1} tensors"


def _differences(one: dict[str, Tensor], two: dict[str, Tensor]) -> list[str]:
    return sorted({*one} ^ {*two} | {n for n in {*one} & {*two} if not torch.equal(one[n], two[n])})
