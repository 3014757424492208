"""Random directions that a key stands for: made when they are needed, never kept or sent.

A direction z has independent standard normal values, from a table of 65,536 quantiles: value i is
looked up by 16 bits of a 64-bit hash of the key and i // 4 (SplitMix64, Steele et al. 2014). So any
part of it can be made on its own, and integers alone decide it: it is the same on every platform
and device, and whatever the number of threads. Sums are taken in float32, key after key.
"""

import functools
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Floats, UInt64s
from fedbytes.compression.numerics.kernels import kernel
from fedbytes.streams import stream_seed

LEVELS = 1 << 16
_GAMMA, _MIX_A, _MIX_B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LANES = 4
_BLOCK = 4096
"""Coordinates that stay in the processor's cache while direction after direction is added."""
_CHUNK = 1 << 22
"""Coordinates that the numpy twin and other devices work on at once."""


def direction_key(seed: int, *place: int) -> int:
    """Return the key of the direction at `place` (a round, a step, a number) of a run's `seed`."""
    return stream_seed(seed, "perturbation", *place)


def add_directions(
    out: Tensor, base: Tensor, keys: Sequence[int], coefficients: Tensor | Sequence[float]
) -> None:
    """Write `base + sum of coefficient * z(key)` into `out`, in one pass over memory.

    Args:
        out: float32 `[numel]`, contiguous; may be `base` itself.
        base: float32 `[numel]`, on any device.
        keys: one for each direction.
        coefficients: float32, one for each key; directions whose coefficient is 0 are skipped.
    """
    values = torch.as_tensor(coefficients, dtype=torch.float32).cpu().numpy()
    used = np.flatnonzero(values)
    chosen = np.array(keys, dtype=np.uint64)[used]
    if out.device.type == "cpu":
        target, source = out.detach().numpy(), base.detach().cpu().numpy()
        _add(target, source, chosen, values[used], quantiles())
        return
    with torch.no_grad():
        _add_on_device(out.detach(), base.detach(), chosen.tolist(), values[used].tolist())


def direction(key: int, numel: int) -> Tensor:
    """Return z(key) as a vector float32 `[numel]`; for tests and for small vectors."""
    out = torch.zeros(numel)
    add_directions(out, out, [key], [1.0])
    return out


@functools.cache
def quantiles() -> Floats:
    """Return the table, float32 [65536]: symmetric, and of variance 1.

    Values are multiples of 2^-16, so that no platform's logarithm decides a last bit.
    """
    places = (np.arange(LEVELS // 2, LEVELS) + 0.5) / LEVELS
    upper = np.array([NormalDist().inv_cdf(p) for p in places.tolist()])
    upper = np.rint(upper / np.sqrt(np.mean(upper**2)) * LEVELS) / LEVELS
    return np.concatenate([-upper[::-1], upper]).astype(np.float32)


def _add_twin(out: Floats, base: Floats, keys: UInt64s, values: Floats, table: Floats) -> None:
    """The numpy twin of the loop."""
    for start in range(0, len(out), _CHUNK):
        end = min(start + _CHUNK, len(out))
        words = np.arange(start // _LANES + 1, -(-end // _LANES) + 1, dtype=np.uint64)
        total = base[start:end].copy()
        for key, value in zip(keys, values, strict=True):
            x = key + words * np.uint64(_GAMMA)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX_A)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX_B)
            x ^= x >> np.uint64(31)
            places = x.astype("<u8", copy=False).view("<u2")[: end - start]
            total += value * table[places]
        out[start:end] = total


@kernel(_add_twin)
def _add(out: Any, base: Any, keys: Any, values: Any, table: Any) -> None:
    gamma, mix_a, mix_b = np.uint64(_GAMMA), np.uint64(_MIX_A), np.uint64(_MIX_B)
    s16, s27, s30 = np.uint64(16), np.uint64(27), np.uint64(30)
    s31, s32, s48, low = np.uint64(31), np.uint64(32), np.uint64(48), np.uint64(0xFFFF)
    for start in range(0, len(out), _BLOCK):
        end = min(start + _BLOCK, len(out))
        out[start:end] = base[start:end]
        whole = start + (end - start) // _LANES * _LANES
        for k in range(len(keys)):
            value = values[k]
            first = keys[k] + np.uint64(start // _LANES) * gamma
            for w in range((end - start + _LANES - 1) // _LANES):
                x = first + np.uint64(w + 1) * gamma
                x = (x ^ (x >> s30)) * mix_a
                x = (x ^ (x >> s27)) * mix_b
                x = x ^ (x >> s31)
                i = start + w * _LANES
                if i < whole:
                    out[i] += value * table[x & low]
                    out[i + 1] += value * table[(x >> s16) & low]
                    out[i + 2] += value * table[(x >> s32) & low]
                    out[i + 3] += value * table[x >> s48]
                else:
                    for lane in range(end - i):
                        out[i + lane] += value * table[(x >> np.uint64(16 * lane)) & low]


def _add_on_device(out: Tensor, base: Tensor, keys: list[int], values: list[float]) -> None:
    """The same sums in torch; its integers are signed, so right shifts are masked."""
    table = torch.from_numpy(quantiles()).to(out.device)
    lanes = torch.arange(0, 64, 16, device=out.device)
    gamma, mix_a, mix_b = (_signed(number) for number in (_GAMMA, _MIX_A, _MIX_B))
    for start in range(0, len(out), _CHUNK):
        end = min(start + _CHUNK, len(out))
        words = torch.arange(start // _LANES + 1, -(-end // _LANES) + 1, device=out.device) * gamma
        total = base[start:end].clone()
        for key, value in zip(keys, values, strict=True):
            x = words + _signed(key)
            x = (x ^ _shifted(x, 30)) * mix_a
            x = (x ^ _shifted(x, 27)) * mix_b
            x = x ^ _shifted(x, 31)
            places = (x[:, None] >> lanes) & 0xFFFF
            total += table[places.view(-1)[: end - start]] * value
        out[start:end] = total


def _shifted(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
