"""The fields of homomorphic encryption."""

from dataclasses import dataclass
from typing import Literal

from fedbytes.plugin_fields import bounded


@dataclass(frozen=True)
class EncryptionFields:
    """Fields of homomorphic encryption.

    Attributes:
        scheme: `bfv`, exact sums of the integers of a codec that adds, or `ckks`, sums of floats.
        share: of the coordinates that are encrypted, those with the largest |weight * last update|;
            the others travel plain. Only `bfv` over `fixed` has less than 1.
        weights: of clients in the mean: by their `examples`, or `uniform`.
    """

    scheme: Literal["bfv", "ckks"] = "bfv"
    share: float = bounded(1.0, least=0, most=1)
    weights: Literal["examples", "uniform"] = "examples"
