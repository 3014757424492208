"""Settings that were chosen for each method beforehand, and that a suite takes over."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.strict_yaml import read_yaml


@dataclass(frozen=True)
class TunedSettings:
    """The file that `fedbytes tune` writes.

    Attributes:
        file: its name.
        sha256: the digest of its content.
        choices: dotted keys and their values, by the method's name.
    """

    file: str
    sha256: str
    choices: Mapping[str, Mapping[str, Any]]

    def of(self, method: str) -> Mapping[str, Any]:
        """Return what was chosen for a method.

        Raises:
            ValueError: if it was not tuned.
        """
        if method not in self.choices:
            raise ValueError(
                f"tuned: {self.file} has no choice for {method!r} (known: "
                f"{'; '.join(self.choices)}): tune the suite again"
            )
        return self.choices[method]

    def stated(self, method: str) -> dict[str, Any]:
        """Return what the provenance of a method's runs says."""
        return {"file": self.file, "sha256": self.sha256, "choices": dict(self.of(method))}


def read_tuned(path: Path) -> TunedSettings:
    """Read the choices of `fedbytes tune`.

    Raises:
        ValueError: if there is no such file, or it holds no choices.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"tuned: {path} cannot be read ({error.strerror}); `fedbytes tune` writes it"
        ) from None
    try:
        content = read_yaml(data.decode())
    except ValueError as error:
        raise ValueError(f"tuned: {path}: {error}") from None
    choices = content.get("choices") if isinstance(content, Mapping) else None
    if not isinstance(choices, Mapping) or not all(
        isinstance(c, Mapping) for c in choices.values()
    ):
        raise ValueError(f"tuned: {path} has no choices by method; `fedbytes tune` writes it")
    return TunedSettings(path.name, hashlib.sha256(data).hexdigest(), choices)
