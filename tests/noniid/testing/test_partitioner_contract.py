"""Every registered partitioner keeps the contract, in every configuration that it names."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedbytes.noniid import (
    PARTITIONERS,
    Partition,
    Partitioner,
    check_partitioner,
    make_partitioner,
    partitioner_names,
    partitioner_spec,
)

CONFIGURED = [
    make_partitioner(name, **fields)
    for name in partitioner_names()
    for fields in PARTITIONERS.get(name).examples
]


def describe(partitioner: Partitioner) -> str:
    return ",".join(f"{k}={v}" for k, v in partitioner_spec(partitioner).items())


@pytest.mark.parametrize("partitioner", CONFIGURED, ids=describe)
def test_keeps_the_contract(partitioner):
    findings = check_partitioner(partitioner)
    assert len(findings) >= 10
    assert [finding for finding in findings if not finding.passed] == []


@dataclass(frozen=True)
class Broken(Partitioner):
    """Breaks one rule, as told, so that the checks can be seen to fail."""

    fault: str = "none"
    name = "broken"

    def _assign(self, factor, num_clients, rng):
        owners = rng.integers(num_clients, size=len(factor))
        if self.fault == "unseeded":
            owners = np.random.default_rng().integers(num_clients, size=len(factor))
        elif self.fault == "global":
            np.random.rand()  # noqa: NPY002
        elif self.fault == "short":
            owners = owners[:-1]
        elif self.fault == "clients":
            return Partition.from_owners(owners, num_clients + 1)
        elif self.fault == "zeroes the column":
            factor.values[:] = 0
        elif self.fault == "numbers only":
            np.asarray(factor.values).astype(float)
        return Partition.from_owners(owners, num_clients)


@pytest.mark.parametrize(
    ("fault", "property_name"),
    [
        ("unseeded", "is determined by its seed"),
        ("global", "leaves the column and the global random state alone"),
        ("zeroes the column", "leaves the column and the global random state alone"),
        ("short", "splits everything once"),
        ("clients", "gives the asked number of clients"),
        ("numbers only", "takes labels of any type"),
    ],
)
def test_checks_find_a_fault(fault: str, property_name: str):
    failed = {
        finding.property for finding in check_partitioner(Broken(fault)) if not finding.passed
    }
    assert property_name in failed


def column(size: int = 2000) -> np.ndarray[Any, Any]:
    """Labels that no random generator decides: the same under any numpy."""
    return np.array([hashlib.sha256(str(i).encode()).digest()[0] % 10 for i in range(size)])


GOLDEN = {
    "iid": ({}, "7f6babef"),
    "dirichlet": ({"alpha": 0.3}, "a736b1bb"),
    "dirichlet repaired": ({"alpha": 0.1, "min_size": 20, "on_small": "repair"}, "c37303f1"),
    "dirichlet vector": ({"alpha": [0.0, 0.1, 1, 5, 0.2, 0.3, 0.4, 2, 9, 1]}, "cad78e11"),
    "dirichlet balanced": ({"alpha": 0.1, "balance": True}, "47e79016"),
    "dirichlet target": ({"target": {"nmi": 0.3}}, "fc32acd5"),
    "dirichlet_client": ({"alpha": 0.3}, "6d91c9e0"),
    "dirichlet_client log-normal": ({"alpha": 0.3, "sizes": "log-normal"}, "83c71197"),
    "classes": ({}, "583beb6b"),
    "classes random": ({"assignment": "random"}, "c0a640d2"),
    "shards": ({}, "ea7aa6f1"),
    "extended_dirichlet": ({"alpha": 0.3}, "565c1cfa"),
    "mixed": ({}, "9ba23772"),
    "power_law": ({}, "ecea7eb8"),
    "power_law pareto": ({"exponent": 1.5}, "a19424a5"),
    "quantity": ({}, "afd7d2f1"),
    "quantity log-normal": ({"scheme": "log-normal"}, "c87277bb"),
    "quantity exponential": ({"scheme": "exponential"}, "b9bcc4fe"),
    "mixture": ({"then": "shards"}, "f9cc83d4"),
    "continuous": ({}, "db29113b"),
    "quantile": ({"then": "dirichlet", "quantiles": 4}, "766605fc"),
    "natural": ({"max_size": 150, "min_size": 60}, "064b93f5"),
    "natural random": ({"max_size": 60, "grouping": "random"}, "a264b5cf"),
    "compose": ({"mixes": {"name": "dirichlet", "alpha": 0.3}, "sizes": "quantity"}, "94f15b31"),
    "transfer": (
        {"matrix": [[(7 * i + 3 * k) % 5 for k in range(10)] for i in range(10)]},
        "0d4ab7c7",
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_fingerprint(case: str):
    fields, expected = GOLDEN[case]
    split = make_partitioner(case.split()[0], **fields)(column(), 10, seed=7)
    assert split.fingerprint[:8] == expected


def test_a_fresh_process_gives_the_same_partition():
    code = (
        "import hashlib, numpy as np\n"
        "from fedbytes.noniid import make_partitioner\n"
        "y = np.array([hashlib.sha256(str(i).encode()).digest()[0] % 10 for i in range(2000)])\n"
        "split = make_partitioner('dirichlet', alpha=0.1, min_size=20, on_small='repair')\n"
        "print(split(y, 10, seed=3).fingerprint)\n"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    here = make_partitioner("dirichlet", alpha=0.1, min_size=20, on_small="repair")
    assert here(column(), 10, seed=3).fingerprint == fresh


def test_importing_needs_no_torch():
    code = "import sys, fedbytes.noniid as n; n.partitioner_names(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_misspelt_field_is_named():
    with pytest.raises(ValueError, match="did you mean 'alpha'"):
        make_partitioner("dirichlet", alhpa=0.1)
    with pytest.raises(ValueError, match="did you mean 'dirichlet'"):
        make_partitioner("dirichelt")
