"""What the hub's local cache says of a repository."""

from pathlib import Path
from typing import Literal


def cached_commit(repository: str, kind: Literal["models", "datasets"]) -> str | None:
    """Return the commit of a repository of the hub that is in its cache, None if it is not."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}--{repository.replace('/', '--')}"
    try:
        return (folder / "refs" / "main").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
