"""The page of adapters says of every one what it trains now."""

import runpy
from pathlib import Path

from adapter_tables import configured, trained

from fedbytes.models import ADAPTERS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adapters.md"


def test_the_tables_are_those_of_the_code():
    page = runpy.run_path(str(ROOT / "scripts" / "adapters.py"))["page"]
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python scripts/adapters.py"


def test_every_adapter_has_a_line():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for label, _ in configured():
        assert sum(line.startswith(f"| `{label}` |") for line in lines) == 1
    ours = {name for name in ADAPTERS.names() if ADAPTERS.get(name).__module__[:9] == "fedbytes."}
    assert {adapter.name for _, adapter in configured()} == ours


def test_numbers_of_default_lora_and_prompts_by_hand():
    found = {
        label: sum(a * b for a, b in trained(adapter, "minilm").values())
        for label, adapter in configured()
        if label in ("lora", "lora train=b", "prompt_tuning")
    }
    factor = 6 * 2 * 8 * 384  # layers, query and value, rank, width
    assert found == {"lora": 2 * factor, "lora train=b": factor, "prompt_tuning": 20 * 384}
