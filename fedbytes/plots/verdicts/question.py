"""What is asked of a store: as its protocol declares, unless the caller asks otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.experiments.config.target import Target
from fedbytes.plots.tables.comparison import compare_codecs
from fedbytes.plots.tables.declared_protocol import DeclaredProtocol
from fedbytes.plots.tables.store_tables import FINAL, Tables
from fedbytes.plots.verdicts.margins import choose_margin

AFTERWARDS = "chosen after the runs"


@dataclass(frozen=True)
class Question:
    """How the runs of a store are compared.

    Attributes:
        metric, margin, baseline: None for the usual one.
        target: up to which bytes are counted; None for 98 % of the baseline's final value.
        targets: all that are declared, or the one that was asked for.
        final: `last3` for the mean of a run's last three evaluations.
        afterwards: which of them were chosen after the runs, though a protocol declares others.
        departures: a sentence for each of those, by its name.
        notes: what a reader has to know of the protocol, a sentence each.
    """

    metric: str | None
    margin: float | None
    baseline: str | None
    target: Target
    targets: tuple[Target, ...]
    final: str
    afterwards: tuple[str, ...] = ()
    departures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def target_origin(self) -> str:
        """`declared`, `chosen after the runs`, or nothing where no protocol says."""
        if "target" in self.afterwards:
            return AFTERWARDS
        return "declared" if self.notes and self.targets else ""


def ask(
    tables: Tables,
    metric: str | None = None,
    margin: float | None = None,
    baseline: str | None = None,
    target: Target = None,
    final: str | None = None,
) -> Question:
    """Return what is asked: what the caller gives, else what the store's protocol declares.

    Args:
        tables: of a store; `tables.declared` is its protocol.
        metric: a column of the results.
        margin: the loss that would matter, in the metric's unit.
        baseline: a codec's label.
        target: up to which bytes are counted.
        final: `last`, or `last3`.

    Raises:
        ValueError: for a `final` that is none.
    """
    final = tables.final if final is None else final
    parse_final(FINAL if final is None else final)
    given: dict[str, Any] = {
        "metric": metric, "margin": margin, "baseline": baseline, "final": final
    }  # fmt: skip
    declared = tables.declared
    targets: tuple[Target, ...] = () if target is None else (target,)
    if declared is None:
        return Question(metric, margin, baseline, target, targets, final or FINAL)
    protocol = declared.protocol
    stated: dict[str, Any] = {name: getattr(protocol, name) for name in given}
    other = [
        name
        for name, value in given.items()
        if value not in (None, stated[name])
        and (stated[name] is not None or not _is_usual(tables, name, value))
    ]
    if target is not None and target not in protocol.targets:
        other.append("target")
    asked = {name: stated[name] if value is None else value for name, value in given.items()}
    if "metric" in other:  # margin and targets are declared in the unit of another one
        asked["margin"] = margin
    else:
        targets = targets or protocol.targets
    departures = _depart(protocol, other)
    return Question(
        **asked,
        target=targets[0] if targets else None,
        targets=targets,
        afterwards=tuple(other),
        departures=departures,
        notes=(*_describe(declared), *departures.values(), *_seed_notes(tables)),
    )


def _is_usual(tables: Tables, name: str, value: Any) -> bool:
    """Return whether a value is what would be taken where the protocol leaves it open."""
    try:
        comparison = compare_codecs(tables)
        usual = {
            "metric": comparison.metric.name,
            "baseline": comparison.baseline,
            "margin": choose_margin(comparison.metric, None) if name == "margin" else None,
        }
    except ValueError:
        return False
    return bool(value == usual.get(name))


def _describe(declared: DeclaredProtocol) -> list[str]:
    words = [f"Protocol {declared.sha256[:12]}, declared before the runs."]
    if declared.overrides:
        words.append(f"Swept with {' '.join(declared.overrides)}, which departs from the protocol.")
    if declared.undeclared:
        words.append(
            f"{declared.undeclared} of {declared.runs} runs were made before it was declared, or "
            "under another."
        )
    return words


def _depart(protocol: Any, other: list[str]) -> dict[str, str]:
    words = {}
    for name in other:
        stated = protocol.targets if name == "target" else getattr(protocol, name)
        listed = ", ".join(map(str, stated)) if isinstance(stated, tuple) else stated
        said = "the usual one" if listed in (None, "") else listed
        words[name] = f"The {name} was {AFTERWARDS}: the protocol declares {said}."
    return words


def _seed_notes(tables: Tables) -> list[str]:
    """Return what is to be said of seeds that are not as declared."""
    assert tables.declared is not None
    wanted, column = set(tables.declared.protocol.seeds), "training_seed"
    rows = tables.results
    if not wanted or rows.empty:
        return []
    found = {int(seed) for seed in rows[column if column in rows else "seed"]}
    words = []
    if wanted - found:
        words.append(f"Declared seeds without a run: {_list(wanted - found)}.")
    if found - wanted:
        words.append(f"Seeds that were not declared: {_list(found - wanted)}.")
    return words


def _list(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
