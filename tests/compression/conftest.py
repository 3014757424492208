from collections.abc import Iterator

import pytest

from fedbytes.compression.numerics.kernels import compiled_at_once


@pytest.fixture(autouse=True)
def compiled() -> Iterator[None]:
    """Loops run as machine code, which tests compare with numpy, however short their vectors."""
    with compiled_at_once():
        yield
