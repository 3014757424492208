"""When a kernel is compiled: for a long vector, or once short ones have come to as much."""

import subprocess
import sys

import numpy as np
import pytest

from fedbytes.compression.numerics import kernels
from fedbytes.compression.numerics.kernels import SHORT, WORTH, kernel, numpy_only


def _twin(x):
    return "numpy"


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(kernels, "_at_once", False)

    @kernel(_twin)
    def loops(x):
        return x.size

    return loops


def test_short_vectors_are_left_to_numpy_until_they_are_as_much_as_a_long_one(made):
    x = np.zeros(SHORT // 2)
    calls = [made(x) for _ in range(WORTH // x.size)]
    assert calls[:-1] == ["numpy"] * (len(calls) - 1)
    assert calls[-1] == x.size
    assert made(np.zeros(3)) == 3  # once compiled it is always used


def test_a_long_vector_is_compiled_for(made):
    assert made(np.zeros(SHORT - 1)) == "numpy"
    assert made(np.zeros(SHORT)) == SHORT
    with numpy_only():
        assert made(np.zeros(SHORT)) == "numpy"


def test_short_messages_do_not_load_numba():
    code = (
        "import sys, torch\n"
        "from fedbytes.compression import Layout, Shared, codec_names, make_codec, CODECS\n"
        "shared = Shared(Layout({'a': (40, 25)}), round=1)\n"
        "x = torch.linspace(-1, 1, 1000)\n"
        "for name in ('ecsq', 'topk', 'nf4', 'int', 'drive'):\n"
        "    codec = make_codec(name)\n"
        "    codec.decode(codec.encode(x, shared), shared)\n"
        "assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
