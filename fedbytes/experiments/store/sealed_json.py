"""Files of the store that say whether they are whole: each has a digest of its own content."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from fedbytes.process.disk_errors import replaced_file

SEAL = "sha256"
"""The key of a JSON object for the digest of the rest of it."""
ROOM = (
    "free some space or choose another folder with --out, then run the same again: runs go on from "
    "their checkpoints"
)
"""The remedy for a store that cannot be written."""
_SEAL_LINE = "# sha256: "
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


class DamageError(ValueError):
    """A file of the store is missing, cut or altered; one line that names it."""


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        DiskError: if the disk is full or may not be written.
    """
    with replaced_file(path, ROOM) as part:
        part.write_text(text, encoding="utf-8")


def read_stored_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        DamageError: if it is missing, cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    except OSError as error:
        raise DamageError(f"{path.name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DamageError(f"{path.name} is altered (it is no text)") from None


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with the digest of its content, whole or not at all."""
    plain = {key: value for key, value in content.items() if key != SEAL}
    sealed = json.loads(json.dumps(plain))
    write_atomically(path, json.dumps(plain | {SEAL: _digest(sealed)}, indent=2) + "\n")


def read_sealed(path: Path, sealed: bool = False) -> dict[str, Any]:
    """Return the JSON object in a file, without its digest.

    Args:
        path: the file.
        sealed: whether it must have a digest; files from before digests have none.

    Raises:
        DamageError: if the file is missing, cut or altered.
    """
    try:
        found = json.loads(read_stored_text(path))
    except json.JSONDecodeError:
        raise DamageError(f"{path.name} is cut or altered (it is no JSON)") from None
    if not isinstance(found, dict):
        raise DamageError(f"{path.name} is altered (it is no JSON object)")
    seal = found.pop(SEAL, None)
    if (sealed or seal is not None) and seal != _digest(found):
        raise DamageError(f"{path.name} is altered (its digest is another)")
    return found


def write_sealed_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write YAML that ends with a comment: the digest of what stands before it."""
    text = yaml.safe_dump(content, sort_keys=False)
    write_atomically(path, f"{text}{_SEAL_LINE}{hashlib.sha256(text.encode()).hexdigest()}\n")


def read_sealed_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; one without a digest is from before.

    Raises:
        DamageError: if the file is missing, cut or altered.
    """
    text = read_stored_text(path)
    body, mark, seal = text.rpartition(_SEAL_LINE)
    if mark and hashlib.sha256(body.encode()).hexdigest() != seal.strip():
        raise DamageError(f"{path.name} is altered (its digest is another)")
    try:
        found = yaml.load(text, _LOADER)
    except yaml.YAMLError:
        raise DamageError(f"{path.name} is cut or altered (it is no YAML)") from None
    if not isinstance(found, dict):
        raise DamageError(f"{path.name} is cut or altered (it is no mapping)")
    return found


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
