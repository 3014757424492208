"""Kernels: loops that numba compiles on first use, each with a numpy twin of equal result."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_numpy_only = False


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


class Kernel:
    """A loop over arrays and its numpy twin; a call runs the loop if numba is present."""

    def __init__(self, loops: Callable[..., Any], twin: Callable[..., Any]) -> None:
        self.loops = loops
        self.twin = twin

    def __call__(self, *args: Any) -> Any:
        """Run the compiled loop, or the twin if numba is absent or switched off."""
        if _numpy_only or not numba_present():
            return self.twin(*args)
        return self.compiled(*args)

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
