"""Transforms: what is done to a vector before a codec codes it, and undone after."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.compression.codec import Floats
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.registry import Registry


@dataclass(frozen=True)
class Transformed:
    """A vector [m] to be coded, and the bytes that the receiver needs beside it."""

    side: bytes
    vector: Floats


class Transform(ABC):
    """A frozen dataclass that maps a vector [n] to a vector [m] and back; one file a transform.

    See `transforms/` for those that there are and `codecs/chain.py` for how they are put together.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Field variants that the contract runs over."""

    @property
    def unbiased(self) -> bool:
        """Whether the way there and back has x as its mean, for an unbiased codec between."""
        return False

    @property
    def contracts(self) -> bool:
        """Whether the way there and back contracts, for a codec between that does."""
        return False

    @property
    def sparse(self) -> bool:
        """Whether coordinates that are not sent decode to zero."""
        return False

    @abstractmethod
    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return what is coded in x's place; x [shared.layout.numel] must not be written to."""

    @abstractmethod
    def read(self, reader: Reader, shared: Shared) -> tuple[int, Any]:
        """Return m, and what `backward` needs of the side bytes, all of it checked."""

    @abstractmethod
    def backward(self, y: Floats, side: Any, shared: Shared) -> Floats:
        """Return float32 [shared.layout.numel] for the decoded y [m], which may be written to."""


TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    Transform,  # type: ignore[type-abstract]
    "fedbytes.compression.transforms",
    "fedbytes.compression.testing.transform_contract:check_transform",
)


def make_transform(spec: str | Mapping[str, Any] | Transform, **fields: Any) -> Transform:
    """Build a transform from its name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name or field, or a value that the transform refuses.
    """
    return TRANSFORMS.make(spec, **fields)
