"""SEAL's objects as bytes: it writes to files alone."""

import tempfile
from pathlib import Path
from typing import Any


def to_bytes(saved: Any) -> bytes:
    """Return what an object of SEAL saves."""
    with tempfile.NamedTemporaryFile() as file:
        saved.save(file.name)
        return Path(file.name).read_bytes()


def from_bytes(made: Any, context: Any, data: bytes) -> Any:
    """Return an object of SEAL, loaded under a context.

    Raises:
        ValueError: for bytes that it did not save under this context.
    """
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        try:
            made.load(context, file.name)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"a ciphertext of {len(data)} bytes does not load: {error}") from None
    return made
