"""Hidden states below the lowest trained layer: computed once, kept on disk, used ever after."""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from fedbytes.data.assets.manifest import is_whole, staged
from fedbytes.data.tokens.token_cache import EncodedSplit
from fedbytes.models.batching import Batch, by_length, make_batch
from fedbytes.models.layer_stack import find_layers
from fedbytes.process.user_cache import folder, unwritable

FORMAT = 1
TOKENS_PER_BATCH = 2048
DEFAULT_BYTES = 6 << 30
SPARE_BYTES = 1 << 30

Report = Callable[[str, int, int], None]


class _EnoughError(Exception):
    """Carries the hidden states out of a forward pass that need not go on."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


class Prefix:
    """Puts known hidden states in the place of a model's first `depth` layers.

    The layers' `forward` is replaced on this model's own modules, so the architecture's code
    runs unchanged around them: masks, positions and what follows.

    Args:
        backbone: a model whose modules nobody else uses.
        depth: how many layers are constant, at least 1.
    """

    def __init__(self, backbone: Any, depth: int) -> None:
        self.backbone = backbone
        self.depth = depth
        self._states: Tensor | None = None
        self._recording = False
        self._others: int | None = None  # members of a layer's output beside the states
        layers = find_layers(backbone)[1]
        for layer in layers[: depth - 1]:
            layer.forward = self._passing(layer.forward)
        layers[depth - 1].forward = self._injecting(layers[depth - 1].forward)

    def _passing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is None:
                return original(hidden_states, *args, **options)
            return self._as_output(hidden_states)

        return forward

    def _injecting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is not None:
                return self._as_output(self._states)
            output = original(hidden_states, *args, **options)
            self._others = len(output) - 1 if isinstance(output, tuple) else None
            if self._recording:
                raise _EnoughError(output if self._others is None else output[0])
            return output

        return forward

    def _as_output(self, states: Tensor) -> Any:
        return states if self._others is None else (states, *[None] * self._others)

    def compute(self, batch: Batch) -> Tensor:
        """Return the hidden states after the constant layers, [batch, time, hidden]."""
        self._recording = True
        try:
            self.backbone(input_ids=batch.tokens, attention_mask=batch.mask)
        except _EnoughError as enough:
            return enough.states
        finally:
            self._recording = False
        raise RuntimeError("the model did not run its layers")

    def run(self, states: Tensor | None, call: Callable[[], Tensor]) -> Tensor:
        """Return `call()`, with `states` in the place of the constant layers unless None."""
        self._states = states
        try:
            return call()
        finally:
            self._states = None


class PrefixCache:
    """The hidden states of one split, float32 [all tokens, hidden], as a memory map."""

    def __init__(self, states: npt.NDArray[np.float32], split: EncodedSplit) -> None:
        self.states = states
        self.offsets = np.asarray(split.offsets)

    def gather(self, batch: Batch) -> Tensor:
        """Return the states of a batch, zero where it is padded, [batch, time, hidden]."""
        out = np.zeros((*batch.tokens.shape, self.states.shape[1]), dtype=np.float32)
        for place, row in enumerate(batch.rows):
            start, end = self.offsets[row], self.offsets[row + 1]
            out[place, : end - start] = self.states[start:end]
        return torch.from_numpy(out).to(batch.tokens.device, non_blocking=True)


def cache_limit() -> int:
    """Return the bytes all caches together may take: `FEDBYTES_PREFIX_BYTES`, default 6 GiB.

    Raises:
        ValueError: if the setting is not a number of bytes.
    """
    given = os.environ.get("FEDBYTES_PREFIX_BYTES", str(DEFAULT_BYTES))
    try:
        return int(float(given))
    except ValueError as error:
        raise ValueError(f"FEDBYTES_PREFIX_BYTES must be bytes, got {given!r}") from error


def open_cache(
    prefix: Prefix,
    split: EncodedSplit,
    base_digest: str,
    device: torch.device,
    report: Report | None = None,
    wait: bool = True,
) -> PrefixCache | None:
    """Return the split's hidden states, computed now if no process has before.

    Args:
        prefix: the constant layers.
        split: the tokens.
        base_digest: names the weights and the precision.
        device: where the layers are run.
        report: called as `report(split name, tokens done, all tokens)` while they are run.
        wait: whether to wait for another process that is computing them.

    Returns:
        the cache, or None if it would take more than `cache_limit()` or the disk has left.

    Raises:
        ValueError: if the cache folder cannot be written.
        filelock.Timeout: if another process is computing them and `wait` is false.
    """
    shape = (len(split.tokens), int(prefix.backbone.config.hidden_size))
    needed = 4 * shape[0] * shape[1]
    key = f"{FORMAT} {base_digest} {split.digest} {prefix.depth}"
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    root = folder("prefix")
    target = root / name
    try:
        with FileLock(root / f".{name}.lock", timeout=-1 if wait else 0):
            if not is_whole(target):
                if not _make_room(root, needed):
                    return None
                _fill(target, prefix, split, shape, device, report)
            os.utime(target)
            states = np.load(target / "states.npy", mmap_mode="r")
    except Timeout:
        raise
    except OSError as error:
        raise unwritable(root, error) from error
    return PrefixCache(states, split)


def _fill(
    target: Path,
    prefix: Prefix,
    split: EncodedSplit,
    shape: tuple[int, int],
    device: torch.device,
    report: Report | None,
) -> None:
    offsets, done = np.asarray(split.offsets), 0
    with staged(target) as staging, torch.inference_mode():
        states = np.lib.format.open_memmap(
            staging / "states.npy", mode="w+", dtype=np.float32, shape=shape
        )
        for rows in by_length(split, TOKENS_PER_BATCH):
            found = prefix.compute(make_batch(split, rows, device)).float().cpu().numpy()
            for place, row in enumerate(rows):
                start, end = offsets[row], offsets[row + 1]
                states[start:end] = found[place, : end - start]
            done += int(split.lengths[rows].sum())
            if report is not None:
                report(split.name, done, shape[0])
        states.flush()


def _make_room(root: Path, needed: int) -> bool:
    """Drop the caches used longest ago until `needed` bytes fit; False if they never will."""
    limit = cache_limit()
    if needed > limit:
        return False
    caches = []
    for cache in root.glob("[!.]*/states.npy"):
        with suppress(FileNotFoundError):  # another process makes room as well
            used = cache.parent.stat().st_mtime_ns
            caches.append((used, cache.stat().st_size, cache.parent))
    caches.sort()
    total = sum(size for _, size, _ in caches)
    for _, size, cache in caches:
        if total + needed <= limit:
            break
        # A cache that is being opened is left alone; one that is open stays readable.
        with suppress(Timeout), FileLock(root / f".{cache.name}.lock", timeout=0):
            shutil.rmtree(cache, ignore_errors=True)
            total -= size
    if total + needed > limit:
        return False
    return shutil.disk_usage(root).free > needed + SPARE_BYTES
