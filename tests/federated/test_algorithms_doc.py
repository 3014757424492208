"""The page of algorithms says of every one what it does now."""

import runpy
from pathlib import Path

from algorithm_tables import PAIRINGS, configured, measure

from fedbytes.federated.algorithm import Compatibility

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "algorithms.md"


def test_the_tables_are_those_of_the_code():
    page = runpy.run_path(str(ROOT / "scripts" / "algorithms.py"))["page"]
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python scripts/algorithms.py"


def test_every_algorithm_has_a_line_in_both_tables():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for label, _ in configured():
        assert sum(line.startswith(f"| `{label}` |") for line in lines) == 2


def test_the_pairings_differ_from_the_plain_one_in_what_they_name():
    for case in PAIRINGS.values():
        assert case != Compatibility()
    assert len(set(PAIRINGS.values())) == len(PAIRINGS)


def test_scaffold_is_measured_at_twice_fedavg():
    found = {label: measure(a) for label, a in configured() if label in ("fedavg", "scaffold")}
    shares = {label: (m.share(m.up), m.share(m.down)) for label, m in found.items()}
    assert shares == {"fedavg": ("1.00", "1.00"), "scaffold": ("2.00", "2.00")}
    assert found["scaffold"].client == {"control": found["scaffold"].trained}
