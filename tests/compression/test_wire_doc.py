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
FILES = [path for path in sorted(FOLDER.glob("*.json")) if path.name.split("-")[0] in DECODERS]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_vectors_decode_as_documented(path: Path) -> None:
    golden = json.loads(path.read_text())
    body = Body(bytes.fromhex(golden["data"])[:-4])
    found = DECODERS[golden["spec"]["name"]](body, golden["spec"])
    assert body.data == b""
    expected = np.frombuffer(bytes.fromhex(golden["decoded"]), "<f4")
    assert np.array_equal(np.array(found, np.float32), expected)
