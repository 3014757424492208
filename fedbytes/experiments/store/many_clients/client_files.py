"""The files beside a checkpoint with what is kept of clients: each holds what had changed.

`clients-000012.bin` holds what changed up to round 12 since the file before; a file of everything,
`clients-000012-all.bin`, takes the place of those before it as soon as these hold more that is
outdated than not. A checkpoint so writes what its round changed, however many clients were ever
reached.
"""

from collections.abc import Callable
from pathlib import Path

from fedbytes.experiments.store.run_folder import RunFolder

_ALL = "-all"
_SLACK = 1 << 16
"""Bytes of outdated records that are not worth writing anew."""


def read_client_files(folder: RunFolder, round_: int) -> list[Path]:
    """Return the files that the checkpoint of a round consists of, oldest first."""
    found = [path for path in _all_files(folder) if _round_of(path) <= round_]
    starts = [place for place, path in enumerate(found) if has_everything(path)]
    return found[starts[-1] :] if starts else found


def new_client_file(folder: RunFolder, round_: int, live_bytes: Callable[[], int]) -> Path:
    """Return the path of a further file after a round: by its name one of everything, or not.

    Args:
        folder: the run.
        round_: that has ended.
        live_bytes: counts the bytes of records that are not outdated.
    """
    spent = sum(one.stat().st_size for one in read_client_files(folder, round_))
    if spent > 2 * folder.live_bytes + _SLACK:
        folder.live_bytes = live_bytes()
    path = folder.checkpoints / f"clients-{round_:06d}.bin"
    if path.exists() or spent > 2 * folder.live_bytes + _SLACK:
        return path.with_stem(path.stem + _ALL)
    return path


def has_everything(path: Path) -> bool:
    """Return whether a file is one of everything, before which no other is needed."""
    return path.stem.endswith(_ALL)


def drop_outdated(folder: RunFolder, round_: int) -> None:
    """Remove the files that the checkpoint of a round does not consist of."""
    kept = set(read_client_files(folder, round_))
    for path in _all_files(folder):
        if path not in kept:
            path.unlink()


def _all_files(folder: RunFolder) -> list[Path]:
    found = folder.checkpoints.glob("clients-*.bin")
    return sorted(found, key=lambda path: (_round_of(path), has_everything(path)))


def _round_of(path: Path) -> int:
    number = path.stem.removeprefix("clients-").removesuffix(_ALL)
    return int(number) if number.isdecimal() else -1
