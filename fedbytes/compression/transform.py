"""Transforms: invertible maps of a vector before a codec encodes it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Floats
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry


@dataclass(frozen=True)
class Transformed:
    """The vector [m] to encode, and the side bytes that the receiver needs as well."""

    side: bytes
    vector: Floats


class Transform(Plugin, ABC):
    """A frozen dataclass that maps a vector [n] to a vector [m] and back; one file per transform.

    See `transforms/` for examples and `codecs/chain.py` for their composition.
    """

    @property
    def unbiased(self) -> bool:
        """Whether forward, an unbiased codec and inverse together have the mean x."""
        return False

    @property
    def contracts(self) -> bool:
        """Whether forward, a contracting codec and inverse together contract."""
        return False

    @property
    def sparse(self) -> bool:
        """Whether coordinates that are not sent decode to zero."""
        return False

    @property
    def shows_sent(self) -> bool:
        """Whether `find_sent` can tell which numbers of a decoded vector's transform were sent."""
        return False

    def find_sent(self, z: Floats) -> npt.NDArray[np.bool_]:
        """Return which numbers of z [m], the transform of a decoded vector, were sent."""
        raise NotImplementedError(f"transform {self.name!r} does not show what was sent")

    @property
    def common(self) -> bool:
        """Whether it is one linear map for all senders of a round, so that what it gives adds."""
        return False

    def image_size(self, shared: Shared) -> int:
        """Return m, the length of an image under that map."""
        return shared.layout.numel

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the image [m] of x [n] under that map, where it is common."""
        raise NotImplementedError(f"transform {self.name!r} is not one map for all senders")

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector [n] that an image [m] stands for, which may be overwritten."""
        raise NotImplementedError(f"transform {self.name!r} is not one map for all senders")

    @abstractmethod
    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the vector to encode instead of x [shared.layout.numel], which must not change."""

    @abstractmethod
    def read(self, reader: Reader, shared: Shared) -> tuple[int, Any]:
        """Return m, and the checked side information for `inverse`."""

    @abstractmethod
    def inverse(self, y: Floats, side: Any, shared: Shared) -> Floats:
        """Return float32 [shared.layout.numel] from the decoded y [m], which may be overwritten."""


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


def try_transform(
    transform: Transform,
    values: Sequence[float],
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> tuple[list[float], list[float]]:
    """Return what a codec would code in a vector's place, and what comes back, to 4 digits.

    Args:
        transform: what is done to the vector.
        values: the vector.
        shapes: of its tensors, by name; one vector `x` by default.
    """
    shared = Shared(Layout({"x": (len(values),)} if shapes is None else shapes))
    step = transform.forward(np.array(values, np.float32), shared)
    _, side = transform.read(Reader(memoryview(step.side), transform.name), shared)
    back = transform.inverse(step.vector.copy(), side, shared)
    coded, found = ([float(f"{y:.4g}") for y in row.tolist()] for row in (step.vector, back))
    return coded, found
