"""PowerSGD: each matrix as a product of two thin factors, from a warm-started power iteration."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload, make_codec
from fedbytes.compression.codecs.fp32 import Fp32
from fedbytes.compression.codecs.powersgd.factor_plan import FactorPlan, plan_factors
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.squared_norm import squared_norm
from fedbytes.plugin_fields import bounded

_ZERO, _CODED, _EXACT = range(3)
_FP32 = Fp32()


@CODECS.register("powersgd")
@dataclass(frozen=True)
class PowerSgd(Codec):
    """Each matrix M becomes P Q^T with P = orthonormal(M Q0), Q = M^T P (Vogels et al. 2019).

    arXiv 1905.13727. Tensors of more than two axes are reshaped to [first, rest]; one-dimensional
    ones, and those that factors would not shorten, are sent as they are. Everything that is sent
    makes one vector, which the codec `factors` codes.

    The paper starts from the last step's Q. Here Q0 is the right factor of the previous global
    update, `shared.reference`, so warm start needs no private memory; the receiver does not need
    it at all. Without a reference, where that is degenerate or misses most of M, Q0 is random.

    Every sender's factors are its own. The paper's workers add up M Q0 before they make it
    orthonormal, and so get the mean's one approximation of the rank; here n messages are n
    approximations, whose mean has up to n times the rank, and nobody waits for a second exchange.

    Each direction k is sent as P_k |Q_k| and Q_k, and read as (P_k |Q_k|) (Q_k / |Q_k|)^T: so an
    error of a coordinate weighs the same wherever it is, and one step suits all of them.

    Wire: nothing for no coordinates; a byte: 0 for zero, 1 for factors by `factors`, 2 by `fp32`;
    exponent int16; the body of that codec (docs/wire/lowrank.md). All sums are in a fixed
    order, so bytes are the same on every platform.

    Biased. Contracts: P P^T is a projection. The encoder decodes what it wrote, and where
    rounding the factors would lose half of what the projection keeps it sends float32.

    Attributes:
        rank: directions of each matrix, at least 1.
        factors: codec of the factors and of the tensors that are not matrices.
        iterations: power iterations a message; the paper's 1 relies on warm start.
        warm_start: start from the previous global update.

    Example:
        >>> codec = make_codec("powersgd", rank=1)
        >>> try_codec(codec, [1.0, 2.0, 3.0, 2.0, 4.0, 6.0], {"w": (2, 3)})
        (17, [0.9966, 1.993, 2.997, 1.993, 3.986, 5.993])
    """

    rank: int = bounded(4, least=1)
    factors: Codec = dataclasses.field(default_factory=lambda: make_codec("bf16"))
    iterations: int = bounded(1, least=1)
    warm_start: bool = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"rank": 2, "factors": {"name": "fp32"}},
        {"rank": 1, "factors": {"name": "ecsq", "bits": 3.0}},
    )
    contracts: ClassVar[bool] = True

    @property
    def uses_reference(self) -> bool:
        """True with warm start."""
        return self.warm_start

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        scaled, exponent = split_exponent(x)
        total = squared_norm(scaled)
        if total == 0:
            return bytes([_ZERO])
        plan, inner = self._inner(shared)
        vector, kept = plan.factor(
            scaled, self._reference(shared), shared.generator("powersgd"), self.iterations
        )
        form, body = _CODED, self.factors.encode_body(vector, inner)
        if not self.factors.exact:
            rest = plan.expand(self.factors.decode_body(body, inner), x.size)
            rest -= scaled
            if squared_norm(rest) > total - kept / 2:
                form, body = _EXACT, _FP32.encode_body(vector, inner)
        return b"".join((bytes([form]), pack_exponent(exponent), body))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0 or (form := reader.number("B", "form", _ZERO, _EXACT)) == _ZERO:
            reader.end()
            return np.zeros(numel, np.float32)
        exponent = read_exponent(reader)
        codec = self.factors if form == _CODED else _FP32
        plan, inner = self._inner(shared)
        with np.errstate(all="ignore"):  # what is not finite is refused
            return apply_exponent(
                plan.expand(codec.decode_body(reader.rest(), inner), numel), exponent
            )

    def _inner(self, shared: Shared) -> tuple[FactorPlan, Shared]:
        plan = plan_factors(shared.layout, self.rank)
        return plan, dataclasses.replace(shared, layout=plan.layout, reference=None)

    def _reference(self, shared: Shared) -> Floats | None:
        if shared.reference is None or not self.warm_start:
            return None
        return np.ascontiguousarray(shared.reference.detach().cpu().numpy(), np.float32)
