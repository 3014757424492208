"""What tests of several rooms share: texts, a configuration and a sweep small enough to run."""

import csv
import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedbytes.streams import stream

WORDS = {
    "sport": ["goal", "match", "team", "coach", "league"],
    "money": ["bank", "stock", "trade", "price", "share"],
    "weather": ["rain", "wind", "cloud", "storm", "sun"],
}


THOROUGH = (
    "cli",
    "compression/codecs",
    "compression/test_add_a_codec.py",
    "compression/test_error_feedback.py",
    "compression/test_fuzz.py",
    "compression/test_residual_guard.py",
    "compression/testing",
    "data/testing",
    "experiments/execution",
    "experiments/store",
    "federated",
    "golden/test_record.py",
    "models",
    "noniid/partitioners",
    "noniid/testing",
    "notebooks",
    "plots",
    "test_docs_code.py",
)
"""Where tests make whole runs, start processes or check every plug-in by its contract."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-fast` leaves out; refuse names that differ between processes."""
    root = Path(__file__).parent
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} names an address: give ids")
        place = item.path.relative_to(root).as_posix()
        if place.startswith(THOROUGH):
            item.add_marker("thorough")


@pytest.fixture(scope="session", autouse=True)
def tests_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own; rooms that need real assets say so in their conftest."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDBYTES_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 240 short texts in three classes that words tell apart."""
    path = tmp_path_factory.mktemp("texts") / "texts.csv"
    rng = stream(0, "test texts")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(240):
            label = list(WORDS)[i % 3]
            writer.writerow([" ".join(rng.choice(WORDS[label], 6)), label])
    return path


@pytest.fixture
def settings(texts: Path) -> dict[str, Any]:
    """The settings of a run of about a second, on a tiny random model."""
    return {
        "task": {"name": "file", "path": str(texts), "max_length": 32},
        "model": {"name": "tiny-bert"},
        "adapter": {"name": "lora", "rank": 2},
        "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 4},
        "algorithm": {"name": "fedavg", "local_steps": 2, "batch_size": 8, "learning_rate": 0.01},
        "rounds": 4,
        "clients_per_round": 2,
    }


@pytest.fixture
def fedbytes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call the command in this process: an own one takes longer to begin than most verbs to end."""

    def call(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
        from fedbytes.cli import main

        out, err, code = io.StringIO(), io.StringIO(), 0
        with monkeypatch.context() as patch, warnings.catch_warnings(), _without_plugins():
            for key, value in {"COLUMNS": "160", **env}.items():
                patch.setenv(key, value)
            patch.setattr(sys, "argv", ["fedbytes", *map(str, words)])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return call


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Forget afterwards which plug-ins of a user's files were loaded."""
    from fedbytes.cli.registries import all_registries

    before = set(sys.modules)
    with ExitStack() as stack:
        for registry in all_registries().values():
            stack.enter_context(registry.isolated())
        yield
    for name in sys.modules.keys() - before:
        if name.startswith("fedbytes_plugin_"):
            del sys.modules[name]
