"""The codec contract as plain functions: properties of every codec, registered or not."""

import math
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, seal
from fedbytes.compression.layout import Shared
from fedbytes.compression.testing.fresh_process import decode_in_fresh_process
from fedbytes.compression.testing.sample_vectors import (
    draw_lora_update,
    draw_vector,
    edge_cases,
    sample_layout,
)
from fedbytes.compression.testing.summable_contract import check_sums
from fedbytes.testing import (
    BrokenError,
    Check,
    Finding,
    check_spec,
    require,
    require_refusal,
    run_checks,
    source_file,
)

_DRAWS = 256
_FALSE_ALARM = 1e-7  # chance that one statistical comparison fails a correct codec
_DECODE_MEMORY = 8  # bytes per coordinate that a decoder may take: twice the vector
_FIXED_MEMORY = 1 << 18  # bytes for tables and pieces, whatever the length


def check_codec(
    codec: Codec, *, seed: int = 0, fresh_process: bool = False, source: Path | None = None
) -> list[Finding]:
    """Run every contract check over one codec.

    Args:
        codec: any codec, from fedbytes or not.
        seed: seed of the vectors and of the damage.
        fresh_process: whether to decode in a new interpreter as well (takes seconds).
        source: file that defines and registers the codec, for the new interpreter.
    """
    checks: list[Check] = [
        ("specification", lambda: check_spec(CODECS, codec)),
        ("round trip", lambda: _check_round_trips(codec, seed)),
        ("refuses bad input", lambda: _check_bad_input(codec)),
        ("damage is refused", lambda: _check_damage(codec, seed)),
        ("hostile payloads", lambda: _check_hostile(codec, seed)),
        ("memory", lambda: _check_memory(codec, seed)),
        ("LoRA pairs and references", lambda: _check_lora(codec, seed)),
    ]
    if codec.relative_error < math.inf:
        checks.append(("relative error", lambda: _check_relative_error(codec, seed)))
    if codec.exact:
        checks.append(("exact", lambda: _check_exact(codec, seed)))
    if codec.summable:
        checks.append(("adds up", lambda: check_sums(codec, seed)))
    if codec.unbiased:
        checks.append(("unbiased", lambda: _check_unbiased(codec, seed)))
    if codec.contracts:
        checks.append(("contracts", lambda: _check_contracts(codec, seed)))
    if fresh_process:
        checks.append(("fresh process", lambda: _check_fresh_process(codec, seed, source)))
    return run_checks(checks)


def check_codec_file(codec: Codec) -> list[Finding]:
    """Run every contract check over a codec, in a new interpreter as well: the registry's."""
    return check_codec(codec, fresh_process=True, source=source_file(codec))


def _shared(x: Floats, seed: int = 0, round: int = 0) -> Shared:
    return Shared(sample_layout(x.size), seed=seed, round=round, sender=1)


def _check_round_trips(codec: Codec, seed: int) -> str:
    cases = edge_cases(np.random.default_rng(seed))
    for name, x in cases.items():
        given = torch.from_numpy(x.copy())
        try:
            data = codec.encode(given, _shared(x))
            y = codec.decode(data, _shared(x))
        except Exception as error:
            raise BrokenError(f"{name}: {type(error).__name__}: {error}") from error
        require(isinstance(data, bytes), f"{name}: encode returned {type(data).__name__}")
        require(np.array_equal(given.numpy(), x), f"{name}: encode changed its input")
        require(codec.encode(given, _shared(x)) == data, f"{name}: other bytes the second time")
        again = codec.decode(data, _shared(x))
        require(torch.equal(again, y), f"{name}: decoded otherwise the second time")
    return f"{len(cases)} vectors"


def _check_exact(codec: Codec, seed: int) -> str:
    cases = _samples(seed)
    for name, x in cases.items():
        changed = np.count_nonzero(_through(codec, x).view(np.uint32) != x.view(np.uint32))
        require(changed == 0, f"{name}: {changed} of {x.size} coordinates change")
    return f"{len(cases)} vectors come back bit for bit"


def _check_relative_error(codec: Codec, seed: int) -> str:
    worst = 0.0
    for name, x in _samples(seed).items():
        size = np.abs(x).astype(np.float64)
        normal = size >= np.finfo(np.float32).tiny
        error = np.abs(_through(codec, x).astype(np.float64) - x)
        share = float((error[normal] / size[normal]).max(initial=0))
        require(share <= codec.relative_error, f"{name}: a coordinate changes by {share:.3g} of it")
        worst = max(worst, share)
    return f"at most {worst:.3g} of a coordinate"


def _samples(seed: int) -> dict[str, Floats]:
    generator = np.random.default_rng(seed)
    drawn = {name: draw_vector(name, 4000, generator) for name in ("gauss", "t3", "sparse", "lora")}
    return drawn | edge_cases(generator)


def _through(codec: Codec, x: Floats) -> Floats:
    shared = _shared(x)
    y: Floats = codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
    return y


def _check_bad_input(codec: Codec) -> str:
    x = torch.ones(10)
    shared = _shared(x.numpy())
    bad = {
        "NaN": x.clone().fill_(math.nan),
        "infinity": torch.cat((x[:9], torch.tensor([-math.inf]))),
        "float64": x.double(),
        "too long": torch.ones(11),
        "two dimensions": x.view(2, 5),
        "strided": torch.ones(20)[::2],
    }
    for name, value in bad.items():
        require_refusal(lambda value=value: codec.encode(value, shared), name)  # type: ignore[misc]
    return ", ".join(bad)


def _check_damage(codec: Codec, seed: int) -> str:
    generator = np.random.default_rng(seed)
    tried = 0
    for distribution in ("gauss", "sparse"):
        x = draw_vector(distribution, 777, generator)
        shared = _shared(x)
        data = codec.encode(torch.from_numpy(x), shared)
        sizes = sorted({0, 1, 3, 4, 5, len(data) // 2, len(data) - 1})
        bad = [data[:size] for size in sizes if size < len(data)] + [data + b"\0", b"\0" + data]
        for _ in range(64):
            index, bit = generator.integers(len(data)), generator.integers(8)
            flipped = bytearray(data)
            flipped[index] ^= 1 << bit
            bad.append(bytes(flipped))
        for piece in bad:
            _refused(codec, piece, shared, "damaged")
        other = Shared(sample_layout(778), round=shared.round, sender=1)
        _refused(codec, data, other, "of another layout")
        tried += len(bad) + 1
    return f"{tried} payloads"


def _check_lora(codec: Codec, seed: int) -> str:
    """Encode an adapter's update with every kind of reference, then damage its payloads."""
    generator = np.random.default_rng(seed)
    layout, x, reference = draw_lora_update(generator)
    references = {
        "none": None,
        "related": reference,
        "zero": np.zeros_like(x),
        "all equal": np.ones_like(x),
        "huge": np.copysign(np.finfo(np.float32).max, reference),
        "subnormal": np.copysign(np.float32(1e-45), reference),
    }
    for name, known in references.items():
        given = None if known is None else torch.from_numpy(known)
        shared = Shared(layout, seed=seed, round=1, sender=1, reference=given)
        data = codec.encode(torch.from_numpy(x), shared)
        y = codec.decode(data, shared)
        require(torch.equal(codec.decode(data, shared), y), f"{name}: decoded otherwise")
        for _ in range(20):
            piece = _mutate(data[:-DIGEST_BYTES], generator)
            _decode_or_refuse(codec, seal(codec, piece, shared), shared)
    return ", ".join(references)


def _refused(codec: Codec, data: bytes, shared: Shared, what: str) -> None:
    require_refusal(lambda: codec.decode(data, shared), f"a payload {what} ({len(data)} bytes)")


def _check_hostile(codec: Codec, seed: int) -> str:
    """Damage payloads under a valid digest: decoding must raise a ValueError or give a vector."""
    generator = np.random.default_rng(seed)
    numel, most, tried = 100_000, 0, 0
    for distribution in ("gauss", "sparse"):
        x = draw_vector(distribution, numel, generator)
        shared = _shared(x)
        body = codec.encode(torch.from_numpy(x), shared)[:-DIGEST_BYTES]
        codec.decode(
            seal(codec, body, shared), shared
        )  # compiles kernels before memory is measured
        pieces = [_mutate(body, generator) for _ in range(30)]
        for piece in pieces:
            sealed = seal(codec, piece, shared)
            most = max(most, _peak(_decode_or_refuse, codec, sealed, shared))
        tried += len(pieces)
    limit = _DECODE_MEMORY * numel + _FIXED_MEMORY
    require(most <= limit, f"a damaged payload took {most} bytes of memory, limit {limit}")
    return f"{tried} payloads with a right digest, at most {most} bytes of memory"


def _check_memory(codec: Codec, seed: int) -> str:
    """Measure what numpy and Python allocate; compiled kernels allocate nothing."""
    numel, encoding, decoding = 100_000, 0, 0
    for distribution in ("gauss", "sparse"):
        x = draw_vector(distribution, numel, np.random.default_rng(seed))
        given, shared = torch.from_numpy(x), _shared(x)
        data = codec.encode(given, shared)
        codec.decode(data, shared)  # fills the caches
        encoding = max(encoding, _peak(codec.encode, given, shared))
        decoding = max(decoding, _peak(codec.decode, data, shared))
    for name, most, share, remedy in (
        ("encoding", encoding, codec.encode_memory, "set encode_memory on the class"),
        ("decoding", decoding, _DECODE_MEMORY, "work on pieces of the vector"),
    ):
        knob = "encode_memory=" if name == "encoding" else ""
        limit = share * numel + _FIXED_MEMORY
        require(
            most <= limit,
            f"{name} took {most} bytes for {numel} coordinates, limit {limit} = {knob}{share} "
            f"bytes per coordinate + {_FIXED_MEMORY >> 10} KiB; {remedy}",
        )
    return f"{encoding / numel:.1f} and {decoding / numel:.1f} bytes per coordinate"


def _peak(call: Callable[..., object], *args: object) -> int:
    """Return the peak of traced memory during a call."""
    tracemalloc.start()
    try:
        call(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _decode_or_refuse(codec: Codec, data: bytes, shared: Shared) -> None:
    with suppress(ValueError), np.errstate(all="ignore"):
        codec.decode(data, shared)  # checks size and finiteness itself


def _mutate(body: bytes, generator: np.random.Generator) -> bytes:
    out = bytearray(body)
    how = generator.integers(4)
    front = min(len(out), 32 if generator.integers(2) else len(out))  # heads matter most
    if how == 0 and out:
        return bytes(out[: generator.integers(len(out))])
    if how == 1:
        return bytes(out) + generator.bytes(int(generator.integers(1, 9)))
    for _ in range(int(generator.integers(1, 5)) if front else 0):
        index = int(generator.integers(front))
        out[index] = int(generator.choice([0, 0x7F, 0x80, 0xFF, int(generator.integers(256))]))
    return bytes(out)


def _check_unbiased(codec: Codec, seed: int) -> str:
    """Compare the mean error along fixed directions with its standard error over draws."""
    generator = np.random.default_rng(seed)
    names = ("gauss", "t3", "lora")
    bound = _t_bound(_FALSE_ALARM, _DRAWS)
    worst = 0.0
    for name in names:
        x = draw_vector(name, 2000, generator)
        directions = _directions(x, generator)
        scores = np.empty((_DRAWS, len(directions)))
        for round in range(_DRAWS):
            shared = _shared(x, seed, round)
            y = codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
            scores[round] = directions @ (y.astype(np.float64) - x)
        slack = 1e-6 * np.abs(directions) @ np.abs(x).astype(np.float64)  # float32 arithmetic
        error = scores.std(axis=0, ddof=1) / math.sqrt(_DRAWS)
        excess = np.maximum(np.abs(scores.mean(axis=0)) - slack, 0) / np.maximum(error, 1e-300)
        worst = max(worst, float(excess.max()))
        require(worst <= bound, f"{name}: mean is off by {worst:.1f} standard errors")
    return f"at most {worst:.1f} standard errors off (bound {bound:.1f})"


def _directions(x: Floats, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return directions that reveal a bias: shrinkage, shift, of small or large values only."""
    size = np.abs(x)
    small = size < np.median(size)
    rows = [x, np.sign(x), np.ones_like(x), np.where(small, x, 0), np.where(size > 2, x, 0)]
    rows += [generator.choice([-1.0, 1.0], x.size) for _ in range(3)]
    return np.array(rows, np.float64)


def _t_bound(chance: float, draws: int) -> float:
    """Return about the two-sided quantile of Student's t with draws - 1 degrees of freedom."""
    z = NormalDist().inv_cdf(1 - chance / 2)
    freedom = draws - 1
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _check_contracts(codec: Codec, seed: int) -> str:
    generator = np.random.default_rng(seed)
    cases = {name: draw_vector(name, 4000, generator) for name in ("gauss", "t3", "sparse", "lora")}
    cases |= {
        name: x
        for name, x in edge_cases(generator).items()
        if x.any() and np.abs(x).max() > 1e-37  # subnormal vectors are outside the promise
    }
    worst, where = 0.0, ""
    for name, x in cases.items():
        loss = _mean_loss(codec, x, seed)
        require(loss < 1, f"{name}: the error is {loss:.4f} of the energy")
        worst, where = max((worst, where), (loss, name))
    return f"loses at most {worst:.4f} of the energy ({where})"


def _mean_loss(codec: Codec, x: Floats, seed: int) -> float:
    """Return the mean share of the energy lost, over enough draws to tell it from 1."""
    losses: list[float] = []
    for draws in (2, 16, 64, 256, 1024):
        losses += [_loss(codec, x, seed, round) for round in range(len(losses), draws)]
        mean, error = float(np.mean(losses)), float(np.std(losses)) / math.sqrt(draws)
        if mean + 4 * error < 1 or (error > 0 and mean - 4 * error > 1):
            break
    return mean


def _loss(codec: Codec, x: Floats, seed: int, round: int) -> float:
    shared = _shared(x, seed, round)
    y = codec.decode(codec.encode(torch.from_numpy(x), shared), shared).numpy()
    scale = np.abs(x).max().astype(np.float64)
    wide = x / scale
    return float(((y / scale - wide) ** 2).sum() / (wide**2).sum())


def _check_fresh_process(codec: Codec, seed: int, source: Path | None) -> str:
    x = draw_vector("gauss", 1000, np.random.default_rng(seed))
    shared = _shared(x, seed, round=3)
    data = codec.encode(torch.from_numpy(x), shared)
    (found,) = decode_in_fresh_process([(codec, data, shared)], source)
    same = np.array_equal(found, codec.decode(data, shared).numpy())
    require(same, "a new process decodes another vector")
    return f"{len(data)} bytes decoded alike"
