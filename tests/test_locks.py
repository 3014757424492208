"""What is pinned beside requirements.lock goes into the same environment, so pins must agree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADDED = ("docs", "engines", "fuzz")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==(\S+)", text, re.M)
    return {re.sub(r"[-_.]+", "-", package.lower()): version for package, version in found}


@pytest.mark.parametrize("added", ADDED)
def test_what_a_target_adds_changes_nothing_that_is_pinned(added: str) -> None:
    whole, more = pins("requirements.lock"), pins(f"requirements-{added}.lock")
    assert more
    other = {
        name: (whole[name], version)
        for name, version in more.items()
        if whole.get(name, version) != version
    }
    assert other == {}
