"""Hidden states of frozen layers: computed once per split and kept on disk."""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedbytes.data.assets.manifest import is_whole, staged_folder
from fedbytes.data.tokens.token_cache import EncodedSplit
from fedbytes.models.batching import Batch, length_sorted_batches, make_batch
from fedbytes.models.frozen_layers import FrozenLayers
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.lease import HeldError
from fedbytes.process.leases.shared_folder import alone_in
from fedbytes.process.user_cache import cache_folder, unwritable_error

_FORMAT = 1
_SETTINGS = ("FEDBYTES_LAYER_CACHE_BYTES", "FEDBYTES_PREFIX_BYTES")
_TOKENS_PER_BATCH = 2048
_DEFAULT_BYTES = 6 << 30
_SPARE_BYTES = 1 << 30

OnProgress = Callable[[str, int, int], None]
"""Called as `on_progress(split name, tokens done, all tokens)`."""


class HiddenStates:
    """The hidden states of one split, float32 [all tokens, hidden], as a memory map.

    Args:
        states: of the split's tokens, or of those that it adds to the one that it extends.
        split: the split, or what it adds.
        before: the states of the split that it extends.
    """

    def __init__(
        self,
        states: npt.NDArray[np.float32],
        split: EncodedSplit,
        before: "HiddenStates | None" = None,
    ) -> None:
        self.states = states
        self.offsets = np.asarray(split.offsets)
        self.before = before
        self.first: int = 0 if before is None else before.first + len(before.offsets) - 1

    def gather(self, batch: Batch) -> Tensor:
        """Return the states of a batch, zero where it is padded, [batch, time, hidden]."""
        out = np.zeros((*batch.tokens.shape, self.states.shape[1]), dtype=np.float32)
        for index, row in enumerate(batch.rows):
            found = self.of_row(int(row))
            out[index, : len(found)] = found
        return torch.from_numpy(out).to(batch.tokens.device, non_blocking=True)

    def of_row(self, row: int) -> npt.NDArray[np.float32]:
        """Return the states of an example, [tokens, hidden]."""
        if self.before is not None and row < self.first:
            return self.before.of_row(row)
        at = row - self.first
        found: npt.NDArray[np.float32] = self.states[self.offsets[at] : self.offsets[at + 1]]
        return found


def cache_limit() -> int:
    """Return the bytes that all caches may take together, 6 GiB unless set.

    The setting is `FEDBYTES_LAYER_CACHE_BYTES`, formerly `FEDBYTES_PREFIX_BYTES`.

    Raises:
        ValueError: if the setting is not a number of bytes.
    """
    name = next((name for name in _SETTINGS if name in os.environ), _SETTINGS[0])
    given = os.environ.get(name, str(_DEFAULT_BYTES))
    try:
        return int(float(given))
    except ValueError as error:
        raise ValueError(f"{name} must be a number of bytes, got {given!r}") from error


def open_hidden_states(
    layers: FrozenLayers,
    split: EncodedSplit,
    base_digest: str,
    device: torch.device,
    on_progress: OnProgress | None = None,
    wait: bool = True,
) -> HiddenStates | None:
    """Return the split's hidden states, computed now if no process has before.

    Of a split that extends another, those of its added rows are kept by themselves.

    Args:
        layers: the constant layers.
        split: the tokens.
        base_digest: names the weights and the precision.
        device: where the layers are run.
        on_progress: called while they are run.
        wait: whether to wait for another process that is computing them.

    Returns:
        the cache, or None if it would take more than `cache_limit()` or the disk has left.

    Raises:
        ValueError: if the cache folder cannot be written.
        HeldError: if another process is computing them and `wait` is false.
    """
    before = None
    if split.extends is not None:  # its rows' states are there already, and stay the same bits
        before = open_hidden_states(layers, split.extends, base_digest, device, on_progress, wait)
        if before is None:
            return None
        split = split.added
    shape = (len(split.tokens), layers.width)
    needed = 4 * shape[0] * shape[1]
    key = f"{_FORMAT} {base_digest} {split.digest} {layers.depth}"
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    root = cache_folder("prefix")  # not renamed: existing caches stay in use
    target = root / name
    try:
        with alone_in(root, name, wait):
            if not is_whole(target):
                if not _make_room(root, needed):
                    return None
                _fill(target, layers, split, shape, device, on_progress)
            os.utime(target)
            states = np.load(target / "states.npy", mmap_mode="r")
    except (OSError, DiskError) as error:
        raise unwritable_error(root, error) from error
    return HiddenStates(states, split, before)


def _fill(
    target: Path,
    layers: FrozenLayers,
    split: EncodedSplit,
    shape: tuple[int, int],
    device: torch.device,
    on_progress: OnProgress | None,
) -> None:
    offsets, done = np.asarray(split.offsets), 0
    with staged_folder(target) as staging, torch.inference_mode():
        states = np.lib.format.open_memmap(
            staging / "states.npy", mode="w+", dtype=np.float32, shape=shape
        )
        for rows in length_sorted_batches(split, _TOKENS_PER_BATCH):
            found = layers.compute_states(make_batch(split, rows, device)).float().cpu().numpy()
            for index, row in enumerate(rows):
                start, end = offsets[row], offsets[row + 1]
                states[start:end] = found[index, : end - start]
            done += int(split.lengths[rows].sum())
            if on_progress is not None:
                on_progress(split.name, done, shape[0])
        states.flush()


def _make_room(root: Path, needed: int) -> bool:
    """Delete the least recently used caches until `needed` bytes fit; False if they cannot."""
    limit = cache_limit()
    if needed > limit:
        return False
    caches = []
    for cache in root.glob("[!.]*/states.npy"):
        with suppress(FileNotFoundError):  # another process may delete caches too
            used = cache.parent.stat().st_mtime_ns
            caches.append((used, cache.stat().st_size, cache.parent))
    caches.sort()
    total = sum(size for _, size, _ in caches)
    for _, size, cache in caches:
        if total + needed <= limit:
            break
        # A cache that is being opened is left alone; one that is open stays readable.
        with suppress(HeldError), alone_in(root, cache.name, wait=False):
            shutil.rmtree(cache, ignore_errors=True)
            total -= size
    if total + needed > limit:
        return False
    return shutil.disk_usage(root).free > needed + _SPARE_BYTES
