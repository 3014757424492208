"""Runs under a protocol: whether they can answer what it asks, and what their provenance says."""

import json
from collections.abc import Sequence
from typing import Any

from fedbytes.experiments.config.declaration.protocol import Protocol
from fedbytes.experiments.config.method_name import method_name, table_names
from fedbytes.experiments.config.run_config import RunConfig, make_config

_OF_THE_SEEDS = ("seed", "declared")
_NO_DEPARTURE = ("plugins", "checkpoint_every", "workers_per_run", "model.device", "label")
"""Overrides that change no number."""
_SHARES = ("accuracy", "macro_f1", "exact_match")
"""Metrics between 0 and 1."""


def declare(
    protocol: Protocol | None, configs: Sequence[RunConfig], overrides: Sequence[str]
) -> list[RunConfig]:
    """Return a suite's runs with what the protocol says of them, and its controls among them.

    Args:
        protocol: of the suite, if it has one.
        configs: the suite's runs.
        overrides: that were given beside it; with any, runs may depart from the protocol, which
            their provenance then says.

    Raises:
        ValueError: as `check_protocol`, unless there are overrides.
    """
    if protocol is None:
        return list(configs)
    stated: dict[str, Any] = protocol.model_dump(mode="json") | {"sha256": protocol.digest}
    departing = [word for word in overrides if word.partition("=")[0] not in _NO_DEPARTURE]
    if departing:
        stated["overrides"] = departing
    else:
        check_protocol(protocol, configs)
    base = _find_controlled(protocol, configs, strict=not departing)
    return [
        _with(one, declared={**one.declared, "protocol": stated}, batch_stream=number)
        for one, name in zip(configs, table_names(configs), strict=True)
        for number in (one.batch_stream, one.batch_stream + 1)[: 2 if name == base else 1]
    ]


def _find_controlled(protocol: Protocol, configs: Sequence[RunConfig], strict: bool) -> str | None:
    """Return the method that is run again; without `strict`, none where there is no baseline."""
    if not protocol.control:
        return None
    try:
        return find_baseline(protocol, configs)
    except ValueError:
        if strict:
            raise
        return None


def _with(config: RunConfig, **fields: Any) -> RunConfig:
    return make_config({**config.model_dump(mode="json"), **fields})


def _refuse_per_cent(protocol: Protocol) -> None:
    """Refuse a target that no run can reach, as it is not the share that the metric is."""
    for target in protocol.targets if protocol.metric in _SHARES else ():
        if isinstance(target, int | float) and not 0 < target <= 1:
            hint = f": write {target / 100:g}" if 1 < target <= 100 else ""
            raise ValueError(
                f"protocol.targets: {protocol.metric} lies between 0 and 1, got {target:g}{hint}"
            )


def check_protocol(protocol: Protocol, configs: Sequence[RunConfig]) -> None:
    """Check that there is a baseline, that shares are none in per cent, and every method's seeds.

    Args:
        protocol: as declared.
        configs: the suite's runs.

    Raises:
        ValueError: one line that names the method and what it lacks.
    """
    find_baseline(protocol, configs)
    _refuse_per_cent(protocol)
    wanted = set(protocol.seeds) or {config.seed for config in configs}
    if len(wanted) < 2:
        raise ValueError(
            f"protocol: one seed ({min(wanted)}) shows nothing of the spread: give grid.seed five, "
            "or leave out the protocol"
        )
    found: dict[str, tuple[str, set[int]]] = {}
    for config in configs:
        fields = config.model_dump(mode="json", exclude=set(_OF_THE_SEEDS))
        fields["partition"] = {k: v for k, v in fields["partition"].items() if k != "seed"}
        key = json.dumps(fields, sort_keys=True)
        found.setdefault(key, (method_name(config), set()))[1].add(config.seed)
    for name, seeds in found.values():
        if seeds != wanted:
            raise ValueError(
                f"protocol.seeds: {name!r} runs with seeds {_list(seeds)} and not with "
                f"{_list(wanted)}: pairs need every seed of every method"
            )


def find_baseline(protocol: Protocol, configs: Sequence[RunConfig]) -> str:
    """Return the method that the others are compared with.

    Raises:
        ValueError: if there is no such method, or none is named and not one sends fp32 both ways.
    """
    every = table_names(configs)
    names = list(dict.fromkeys(every))
    if protocol.baseline is not None:
        if protocol.baseline in names:
            return protocol.baseline
        raise ValueError(
            f"protocol.baseline: no method is called {protocol.baseline!r} (known: "
            f"{'; '.join(names)})"
        )
    plain = {
        name
        for config, name in zip(configs, every, strict=True)
        if config.uplink["name"] == config.downlink["name"] == "fp32" and not config.batch_stream
    }
    if len(plain) != 1:
        which = "no method sends" if not plain else f"{len(plain)} methods send"
        raise ValueError(
            f"protocol: {which} fp32 both ways, so name the baseline (known: {'; '.join(names)})"
        )
    return plain.pop()


def _list(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
