"""Decoders in plain Python, written from the documents alone, read the golden vectors."""

import importlib
import json
import pkgutil
from pathlib import Path

import numpy as np
import plain
import pytest
from plain.core import Body

FOLDER = Path(__file__).parent / "golden"
MODULES = [importlib.import_module(f"plain.{m.name}") for m in pkgutil.iter_modules(plain.__path__)]
DECODERS = {
    name: decoder for module in MODULES for name, decoder in getattr(module, "DECODERS", {}).items()
}
READS = {name: reads for module in MODULES for name, reads in getattr(module, "READS", {}).items()}


def _is_read(path: Path) -> bool:
    name = path.name.split("-")[0]
    reads = READS.get(name)  # which of a codec's specifications, where not all
    return name in DECODERS and (reads is None or reads(json.loads(path.read_text())["spec"]))


FILES = [path for path in sorted(FOLDER.glob("*.json")) if _is_read(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_vectors_decode_as_documented(path: Path) -> None:
    golden = json.loads(path.read_text())
    body = Body(bytes.fromhex(golden["data"])[:-4])
    found = DECODERS[golden["spec"]["name"]](body, golden["spec"])
    assert body.data == b""
    expected = np.frombuffer(bytes.fromhex(golden["decoded"]), "<f4")
    assert np.array_equal(np.array(found, np.float32), expected)
