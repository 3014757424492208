"""One long run whose clients train in several processes, beside as many runs of fewer rounds.

Both make the same number of rounds in all on the same cores, N processes of one thread each, from
the start of the first process to the end of the last. Repeats are interleaved; printed are medians
of seconds and processor seconds, and of their ratios.

    python benchmarks/one_long_run.py [--workers 2] [--rounds 16] [--repeats 3] [KEY=VALUE …]
"""

import argparse
import resource
import statistics
import tempfile
from time import perf_counter

from fedbytes.cli.sweep_runs import fetch_assets
from fedbytes.experiments import RunConfig, load_suite, sweep
from fedbytes.experiments.execution.events import Event

SETTINGS = (
    "seed=0",
    "codec=fp32",
    "partition.alpha=1.0",
    "adapter.layers=6",
    "algorithm.batch_size=16",
    "evaluate_every=4",
)


class Silent:
    """Follows a sweep and says nothing."""

    def started(self, config: RunConfig) -> None:
        """A run was assigned."""

    def on_event(self, config: RunConfig, event: Event) -> None:
        """A run has advanced."""


def seconds_of(configs: list[RunConfig], workers: int) -> tuple[float, float]:
    """Return wall and processor seconds of making runs, so many at a time, a thread each."""
    with tempfile.TemporaryDirectory() as store:
        before, start = _processor_seconds(), perf_counter()
        outcome = sweep(configs, store, workers=workers, threads=1, reporter=Silent())
        assert len(outcome.done) == len(configs), outcome.failed
        return perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("settings", nargs="*")
    asked = parser.parse_args()
    suite = load_suite("quickstart")
    settings = [*SETTINGS, *asked.settings]
    (long,) = suite.expand(
        [*settings, f"rounds={asked.rounds}", f"workers_per_run={asked.workers}"]
    )
    seeds = f"seed=[{','.join(map(str, range(asked.workers)))}]"
    parts = suite.expand([*settings[1:], seeds, f"rounds={asked.rounds // asked.workers}"])
    fetch_assets([long])
    seconds_of(suite.expand([*settings, "rounds=1"]), 1)  # fills the caches
    found: dict[str, list[tuple[float, float]]] = {"long": [], "parts": []}
    for _ in range(asked.repeats):
        found["long"].append(seconds_of([long], 1))
        found["parts"].append(seconds_of(parts, asked.workers))
        print(f"  {found['long'][-1][0]:.1f} s, {found['parts'][-1][0]:.1f} s", flush=True)
    names = {
        "long": f"one run of {asked.rounds} rounds, workers_per_run={asked.workers}",
        "parts": f"{asked.workers} runs of {asked.rounds // asked.workers} rounds at once",
    }
    print(f"{'':52}{'seconds':>10}{'processor':>10}")
    for key, name in names.items():
        wall, used = (statistics.median(column) for column in zip(*found[key], strict=True))
        print(f"{name:52}{wall:10.1f}{used:10.1f}")
    ratios = [parts[0] / long[0] for long, parts in zip(found["long"], found["parts"], strict=True)]
    print(f"median of the ratios: the long run is {statistics.median(ratios):.3f} times as fast")


if __name__ == "__main__":
    main()
