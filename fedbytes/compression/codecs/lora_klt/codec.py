"""Our own codec for LoRA updates: low-rank components and what they leave, all with one step."""

import math
import struct
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.compression.codec import CODECS, DIGEST_BYTES, Codec, Floats, Payload
from fedbytes.compression.codecs.lora_klt.format import read_body
from fedbytes.compression.codecs.lora_klt.matrices import (
    MatrixPlan,
    gather_matrices,
    plan_matrices,
    rank_bases,
    scatter_matrices,
)
from fedbytes.compression.codecs.lora_klt.quantiser import ComponentQuantiser, Trial
from fedbytes.compression.codecs.lora_klt.rate import quantise_settled, quantise_to_size
from fedbytes.compression.coding.reader import Reader, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.compression.quantisers.bits_or_step import check_bits_or_step
from fedbytes.plugin_fields import bounded

_DEFAULT_BITS = 0.5
_ZERO, _CUT, _FACTORED = range(3)
_FIXED_BYTES = 1 + 2 + 4 + DIGEST_BYTES  # form, exponent, step, digest
_OVER = 1.015  # a message may be larger than asked by this much
_WORST = 1 - 1 / 256  # share of the energy that may be lost
_FINER = 0.7
_FAR = 1.2  # a form that costs this much more than another is not tried further


@CODECS.register("lora_klt")
@dataclass(frozen=True)
class LoraKlt(Codec):
    """Components of the rank axis, coarse, then the rest; one step, contexts by energy. Ours.

    The deltas of a LoRA pair A [r, in], B [out, r] have few directions on the rank axis, and
    those of all A that read the same hidden states have even fewer in common. So every A, every
    B transposed, all A of one width on top of each other, and every other matrix are split into
    a few components u y^T (the delta's own Karhunen-Loève transform, sent) and a rest. u, y and
    the rest are rounded with the step that costs each the same error a bit (reverse
    water-filling), and coded in contexts by their energies, so that what is small costs almost
    nothing. Vectors without such structure are coded by rows, whichever is better.

    With basis "reference" the rank axis of each pair is first turned by the eigenvectors of
    the previous global update. That takes 2 % (MiniLM, GPT-2) to 10 % (SmolLM2) off the error,
    and a new receiver must be sent the reference.

    Wire: docs/wire/lora.md. Biased. Contracts: a finer step is taken where more than 255/256 of
    the energy would be lost.

    Attributes:
        bits: target rate per coordinate, all bytes included, 0.02 to 12; met within 2 % from
            about 50,000 coordinates on (rarely 4 % less, where sizes jump), but for low rates of
            vectors whose entries are of few magnitudes, which may take half as much again (see
            docs/lora-klt.md). Give this or step; 0.5 without either.
        step: quantiser step as a multiple of the vector's root mean square, 2^-10 to 16.
        ratio: step of each B as a multiple of the other tensors', 1/16 to 16; above 1 spends
            less on B, below 1 more.
        basis: "own", or "reference" to turn each pair's rank axis by the previous global update.

    Example:
        >>> codec = make_codec("lora_klt", step=0.5)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5], {"lora_A": (1, 4),
        ...     "lora_B": (4, 1)})
        (40, [3.301, -0.9902, 0.0, 1.676, 0.0, 0.7617, -1.752, 1.752])
    """

    bits: float | None = bounded(None, least=0.02, most=12)
    step: float | None = bounded(None, least=2.0**-10, most=16)
    ratio: float = bounded(1.0, least=1 / 16, most=16)
    basis: Literal["own", "reference"] = "own"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"bits": 0.5},
        {"step": 0.5},
        {"step": 0.25, "basis": "reference", "ratio": 1.25},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits_or_step(self, _DEFAULT_BITS)

    encode_memory: ClassVar[int] = 20  # the working vector, what is left of it, and the integers
    contracts: ClassVar[bool] = True

    @property
    def uses_reference(self) -> bool:
        """True for basis "reference"."""
        return self.basis == "reference"

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scaled, exponent = split_exponent(x)
        total = squared_norm(scaled)
        if total == 0:
            return b"\0" if x.size else b""
        tried: list[tuple[int, Trial]] = []
        for form in (_FACTORED, _CUT):  # one quantiser at a time: each holds a copy of the vector
            quantiser = self._quantiser(scaled, form, shared)
            if quantiser and not (tried and self._hopeless(quantiser, tried[0][1])):
                tried.append((form, self._search(quantiser)))
            del quantiser
        form, trial = self._choose(tried, x.size)
        chosen = self._quantiser(scaled, form, shared)
        assert chosen is not None
        return self._write(chosen, trial, (form, exponent), scaled, shared)

    def _hopeless(self, quantiser: ComponentQuantiser, other: Trial) -> bool:
        """Return whether a form costs far more than the other at its step."""
        rough = quantise_settled(quantiser, other.step)
        return rough.error + rough.rate_cost > _FAR * (other.error + other.rate_cost)

    def _write(
        self,
        quantiser: ComponentQuantiser,
        trial: Trial,
        head: tuple[int, int],
        x: Floats,
        shared: Shared,
    ) -> bytes:
        """Return the payload, with a finer step if it would keep too little of x."""
        total = squared_norm(x)
        while True:
            body = np.array(trial.step, "<f4").tobytes() + quantiser.pack(trial)
            y = self._read(Reader(memoryview(body), self.name), head[0], shared)
            y -= x
            if squared_norm(y) <= _WORST * total:
                return struct.pack("<Bh", *head) + body
            trial = quantise_settled(quantiser, trial.step * _FINER)

    def _quantiser(self, x: Floats, form: int, shared: Shared) -> ComponentQuantiser | None:
        plan = plan_matrices(shared.layout, form == _FACTORED)
        if form == _FACTORED and not any(view.factored for view in plan.views):
            return None
        work = np.empty_like(x)
        gather_matrices(plan, x, self._bases(plan, shared), work)
        self._weigh(plan, work, 1 / self.ratio)
        return ComponentQuantiser(plan, work)

    def _search(self, quantiser: ComponentQuantiser) -> Trial:
        numel = quantiser.work.size
        if self.bits is None:
            return quantise_settled(
                quantiser, (self.step or 0) * math.sqrt(quantiser.energy / numel)
            )
        return quantise_to_size(quantiser, self.bits * numel / 8 - _FIXED_BYTES)

    def _choose(self, tried: list[tuple[int, Trial]], numel: int) -> tuple[int, Trial]:
        """Return the form that errs least of those that meet the rate, or for its size."""
        if self.bits is None:
            return min(tried, key=lambda pair: pair[1].error + pair[1].rate_cost)
        limit = _OVER * numel * self.bits / 8
        fitting = [pair for pair in tried if pair[1].size <= limit]
        return min(fitting or tried, key=lambda pair: pair[1].error)

    def _bases(self, plan: MatrixPlan, shared: Shared) -> list[Doubles] | None:
        if not self.uses_reference or shared.reference is None:
            return None
        reference = shared.reference.detach().cpu().numpy().astype(np.float32, copy=False)
        if not np.isfinite(reference).all():
            raise ValueError("lora_klt: the reference is not finite; pass the last decoded update")
        return rank_bases(plan, reference)

    def _weigh(self, plan: MatrixPlan, work: Floats, weight: float) -> None:
        """Scale each B, so that one step for all is another for B."""
        if weight == 1:
            return
        for view in plan.views:
            if view.is_lora_b:
                part = view.within(work)
                part *= np.float32(weight)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        form = reader.number("B", "form", _ZERO, _FACTORED) if numel else _ZERO
        if form == _ZERO:
            reader.end()
            return np.zeros(numel, np.float32)
        exponent = read_exponent(reader)
        return apply_exponent(self._read(reader, form, shared), exponent)

    def _read(self, reader: Reader, form: int, shared: Shared) -> Floats:
        step = float(reader.number("f", "step", 2.0**-100, 2.0**100))
        plan = plan_matrices(shared.layout, form == _FACTORED)
        work = read_body(reader, plan, step)
        reader.end()
        y = np.empty(shared.layout.numel, np.float32)
        self._weigh(plan, work, self.ratio)
        scatter_matrices(plan, work, self._bases(plan, shared), y)
        return y
