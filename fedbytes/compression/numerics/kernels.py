"""Kernels: loops that numba compiles, each with a numpy twin of equal result.

Compiling takes a second or so a kernel, more than numpy needs for many short vectors. So a kernel
is compiled when it first meets a long vector, or when numpy has taken long enough over short ones.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

import numpy as np

SHORT = 1 << 14
"""Elements of the largest argument below which a call alone is no reason to compile."""
PATIENCE = 0.5
"""Processor seconds of a kernel's short calls together after which the next one compiles."""
_numpy_only = False
_at_once = False


@functools.cache
def numba_present() -> bool:
    """Return whether numba can be imported and `FEDBYTES_NO_NUMBA` is unset."""
    if os.environ.get("FEDBYTES_NO_NUMBA"):
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def numpy_only() -> Iterator[None]:
    """Run the numpy twins within the block, so that tests can compare them with the kernels."""
    global _numpy_only
    before, _numpy_only = _numpy_only, True
    try:
        yield
    finally:
        _numpy_only = before


@contextmanager
def compiled_at_once() -> Iterator[None]:
    """Compile every kernel on its first call within the block, however short the vector."""
    global _at_once
    before, _at_once = _at_once, True
    try:
        yield
    finally:
        _at_once = before


class Kernel:
    """A loop over arrays and its numpy twin; a call runs the loop where numba is worth it."""

    def __init__(self, loops: Callable[..., Any], twin: Callable[..., Any]) -> None:
        self.loops = loops
        self.twin = twin
        self._spent = 0.0  # processor seconds of numpy so far
        self._used = False

    def __call__(self, *args: Any) -> Any:
        """Run the compiled loop, or the twin if numba is absent, switched off or not worth it."""
        if not _numpy_only and self._is_worth(args) and numba_present():
            self._used = True
            return self.compiled(*args)
        start = thread_time()
        found = self.twin(*args)
        self._spent += thread_time() - start
        return found

    def _is_worth(self, args: tuple[Any, ...]) -> bool:
        """Return whether the loop has been compiled, or is to be for this call."""
        if self._used or _at_once or self._spent > PATIENCE:
            return True
        return any(arg.size >= SHORT for arg in args if isinstance(arg, np.ndarray))

    @functools.cached_property
    def compiled(self) -> Callable[..., Any]:
        """The loop as machine code, cached on disk if a cache folder is writable."""
        from numba import njit

        compiled: Callable[..., Any]
        try:
            compiled = njit(self.loops, cache=True, nogil=True, error_model="numpy")
        except RuntimeError:  # numba found no folder that it may write to
            compiled = njit(self.loops, nogil=True, error_model="numpy")
        return compiled


def kernel(twin: Callable[..., Any]) -> Callable[[Callable[..., Any]], Kernel]:
    """Return the decorator that makes a loop a `Kernel` with this numpy twin."""
    return lambda loops: Kernel(loops, twin)
