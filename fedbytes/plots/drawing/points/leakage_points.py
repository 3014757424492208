"""What messages gave away, by codec: the means over seeds that figures of leakage show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fedbytes.plots.method_looks import registered_name
from fedbytes.plots.tables.comparison import Comparison, Setting, compare_codecs
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables, read_mapping

LEAK = "leak_recall_"
_CHANCE = "chance_recall_"
_BITS = "payload_bits"


@dataclass(frozen=True)
class LeakagePoint:
    """A codec in one setting.

    Attributes:
        method: its label.
        family: the codec's registered name, without its rate and what is put before it.
        bits: of a coordinate of the message, payload alone.
        leaks: the share of tokens that were found, a value for each seed.
        chance: the mean share of other clients' tokens that the same guesses have.
        cost: mean bytes of a run, both ways.
    """

    method: str
    family: str
    bits: float
    leaks: tuple[float, ...]
    chance: float
    cost: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return sum(self.leaks) / len(self.leaks)


def leaking_audits(tables: Tables) -> list[str]:
    """Return the audits that rebuilt tokens in some finished run, by name.

    Raises:
        NothingToDrawError: if none did.
    """
    rows = tables.finished()
    names = [str(name) for name in rows if str(name).startswith(LEAK)]
    found = sorted(name.removeprefix(LEAK) for name in names if rows[name].notna().any())
    if not found or _BITS not in rows:
        raise NothingToDrawError("no run was audited for its texts: set audit=span or rows")
    return found


def compare_leaks(tables: Tables, audit: str, baseline: str | None) -> Comparison:
    """Sort the runs that an audit listened to for comparison, by the tokens that it found."""
    rows = tables.finished()
    heard = rows.groupby("run")[f"{LEAK}{audit}"].transform("count") > 0
    return compare_codecs(replace(tables, results=rows[heard]), f"{LEAK}{audit}", baseline)


def leakage_points(tables: Tables, comparison: Comparison, setting: Setting) -> list[LeakagePoint]:
    """Return the codecs of a setting, by ascending bits of a coordinate."""
    audit = comparison.metric.name.removeprefix(LEAK)
    rows = setting.rows.dropna(subset=[comparison.metric.name, _BITS])
    ends = rows.sort_values("round").groupby("run", sort=False).tail(1)
    families = _families(tables)
    found = []
    for codec, part in ends.groupby("codec"):
        uplink = families.get(str(part["run"].iloc[0]), "")
        found.append(
            LeakagePoint(
                method=str(codec),
                family=uplink or registered_name(str(codec)) or str(codec),
                bits=float(part[_BITS].mean()),
                leaks=tuple(map(float, part.sort_values("seed")[comparison.metric.name])),
                chance=float(part[f"{_CHANCE}{audit}"].mean()),
                cost=float(part["total_bytes"].mean()),
            )
        )
    return sorted(found, key=lambda point: point.bits)


def families_of(points: Sequence[LeakagePoint]) -> list[str]:
    """Return the families of some points, those of most bits first."""
    most: dict[str, float] = {}
    for point in points:
        most[point.family] = max(point.bits, most.get(point.family, 0.0))
    return sorted(most, key=lambda family: (-most[family], family))


def _families(tables: Tables) -> dict[str, str]:
    """Return the name of the codec in each run's uplink: of a chain, of what it ends with."""
    if "config" not in tables.runs:
        return {}
    found = {}
    for run, config in zip(tables.runs["run"], tables.runs["config"], strict=True):
        uplink = read_mapping(read_mapping(config).get("uplink"))
        inner = read_mapping(uplink.get("codec"))
        found[str(run)] = str(inner.get("name") or uplink.get("name") or "")
    return found


def seeds_of(points: Sequence[LeakagePoint]) -> str:
    """Return how many seeds the points have, in words."""
    counts = pd.Series([len(point.leaks) for point in points])
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        return f"{low} seed" if low == 1 else f"{low} seeds"
    return f"{low} to {high} seeds"
