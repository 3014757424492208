"""Every setting of every peer that is measured."""

from base import Adapter
from compressors import FedLab, Sz3, Zstandard
from powersgd import PowerSgd
from quantisers import BitsAndBytes, Hivemind, NvFlare


def adapters() -> list[Adapter]:
    """Return every setting that is measured."""
    return [
        BitsAndBytes("8-bit"),
        BitsAndBytes("nf4"),
        BitsAndBytes("nf4", double=True),
        BitsAndBytes("fp4"),
        *(NvFlare(s) for s in ("float16", "blockwise8", "normfloat4", "float4", "adaquant")),
        FedLab("top-k", 0.01),
        FedLab("top-k", 0.1),
        FedLab("QSGD", 2),
        FedLab("QSGD", 4),
        FedLab("QSGD", 8),
        *(
            Hivemind(s)
            for s in ("FLOAT16", "MEANSTD_16BIT", "QUANTILE_8BIT", "UNIFORM_8BIT", "BLOCKWISE_8BIT")
        ),
        *(Sz3(bound) for bound in (0.1, 0.5, 1.0)),
        Zstandard(1),
        Zstandard(9),
        PowerSgd(4),
        PowerSgd(32),
    ]
