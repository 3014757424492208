"""Types of arrays, each name with one dtype, and what numpy code needs of their limits."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Int8s: TypeAlias = npt.NDArray[np.int8]
Int32s: TypeAlias = npt.NDArray[np.int32]
Int64s: TypeAlias = npt.NDArray[np.int64]
UInt8s: TypeAlias = npt.NDArray[np.uint8]
UInt16s: TypeAlias = npt.NDArray[np.uint16]
UInt32s: TypeAlias = npt.NDArray[np.uint32]
UInt64s: TypeAlias = npt.NDArray[np.uint64]
Unsigned: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
Indices: TypeAlias = npt.NDArray[np.signedinteger[Any]]

LARGEST_FLOAT = float(np.finfo(np.float32).max)
CHUNK = 1 << 14  # coordinates that are widened, or spread into temporaries, at a time
