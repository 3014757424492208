"""Where transformers finds a base model that fedbytes knows by a name of its own."""

from pathlib import Path

from fedbytes.data.assets.asset_files import asset_names
from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.data.task import Kind
from fedbytes.models.base.pretrained_files import locate_model
from fedbytes.models.base.tiny_bases import TINY, byte_tokenizer, tiny_model
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder


def base_place(name: str, kind: Kind) -> str:
    """Return the hub id or the folder that `from_pretrained` loads a base from.

    A tiny base is in no folder, so it is written into the user's cache.
    """
    if name in TINY:
        return str(_tiny_place(name, kind))
    where = locate_model(name)
    return str(Path(where).resolve()) if Path(where).is_dir() else where


def lasting_name(name: str) -> str:
    """Return a base's name as it holds in any working folder: of a folder, its whole path."""
    path = Path(name).expanduser()
    known = name in TINY or name in asset_names()
    return str(path.resolve()) if not known and path.is_dir() else name


def is_on_hub(name: str) -> bool:
    """Return whether a base is known to others by this name."""
    return name not in TINY and name not in asset_names() and not Path(locate_model(name)).is_dir()


def _tiny_place(name: str, kind: Kind) -> Path:
    from transformers import AutoModel, AutoModelForCausalLM

    root = cache_folder("tiny-bases")
    target = root / f"{name}-{kind}"
    with alone_in(root, target.name):
        if not is_whole(target):
            auto_class = AutoModelForCausalLM if kind == "causal-lm" else AutoModel
            with staged_folder(target) as staging:
                tiny_model(name, auto_class).save_pretrained(staging)
                byte_tokenizer().save_pretrained(staging)  # type: ignore[attr-defined]
    return target
