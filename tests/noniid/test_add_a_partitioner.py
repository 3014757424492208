"""The partitioners of docs/partitions.md keep the contract and split, as printed."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.noniid import PARTITIONERS, check_partitioner, make_partitioner

PAGE = (Path(__file__).parents[2] / "docs" / "partitions.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _documented(tmp_path: Path) -> Iterator[None]:
    """The page's files, imported, and forgotten afterwards."""
    section = PAGE.split("## Add a partitioner")[1]
    files = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", section, flags=re.DOTALL)
    assert len(files) == 2
    with PARTITIONERS.isolated():
        for name, code in files:
            path = tmp_path / f"{name}.py"
            path.write_text(code)
            load_plugins([str(path)])
        yield


@pytest.mark.parametrize("name", ["by_order", "by_question"])
def test_the_documented_partitioners_keep_the_contract(name: str) -> None:
    for fields in PARTITIONERS.get(name).examples:
        findings = check_partitioner(make_partitioner(name, **fields))
        assert [f"{f.property}: {f.message}" for f in findings if not f.passed] == []


def test_they_split_as_they_say() -> None:
    values = np.arange(40) % 8
    split = make_partitioner("by_order")(values, 4)
    assert [sorted(set(values[part])) for part in split.indices] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    texts = ["really?", "yes", "who is that?", "he", "she", "where?"] * 5
    questions = make_partitioner("by_question", then={"name": "classes", "classes_per_client": 1})
    for part in questions(texts, 2).indices:
        assert len({"?" in texts[i] for i in part}) == 1
    with pytest.raises(ValueError, match="noise"):
        make_partitioner("by_order", noise=-1)
