"""The list of planted faults is true as the code moves; in the slow suite, none of them lives."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fault_list import PAGE, ROOT, Fault, read_faults, rows

FAULTS = read_faults()


def named(fault: Fault) -> str:
    return fault.name


def test_names_are_unique_and_every_package_has_faults() -> None:
    assert [name for name, count in Counter(map(named, FAULTS)).items() if count > 1] == []
    packages = {fault.file.split("/")[1] for fault in FAULTS}
    assert packages >= {
        "compression", "noniid", "federated", "models", "data", "experiments", "plots", "cli",
        "privacy", "defenses",
    }  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_can_be_planted_and_still_parses(fault: Fault) -> None:
    source = fault.source()
    planted = fault.planted(source)
    assert planted != source
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_the_tests_that_catch_it_are_there(fault: Fault) -> None:
    assert fault.tests
    for test in fault.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), test


def test_the_page_has_every_fault_and_none_lives() -> None:
    table = rows(PAGE.read_text(encoding="utf-8"))
    assert list(table) == [fault.name for fault in FAULTS], (
        "run python scripts/plant_faults.py NAME --write for what is new"
    )
    for fault in FAULTS:
        assert fault.file.removeprefix("fedbytes/") in table[fault.name]
        assert "**nothing**" not in table[fault.name].split("|")[-2]


def test_a_text_that_has_moved_is_said_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"'x': its old text occurs 0 times in .*write it anew"):
        Fault("x", "fedbytes/labels.py", "no such text", "", "", ()).planted("text")


@pytest.mark.slow
def test_no_planted_fault_lives() -> None:
    script = Path(ROOT) / "scripts" / "plant_faults.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
