"""When a kernel is compiled: for a long vector, or once numpy has taken long over short ones."""

import subprocess
import sys
from time import thread_time

import numpy as np
import pytest

from fedbytes.compression.numerics import kernels
from fedbytes.compression.numerics.kernels import SHORT, kernel, numpy_only


def _twin(x):
    return "numpy"


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(kernels, "_at_once", False)

    @kernel(_twin)
    def loops(x):
        return x.size

    return loops


def test_short_vectors_are_left_to_numpy_until_it_has_taken_long(made, monkeypatch):
    x = np.zeros(SHORT // 2)
    assert [made(x) for _ in range(100)] == ["numpy"] * 100
    monkeypatch.setattr(kernels, "PATIENCE", 0.0)
    assert made(x) == x.size
    monkeypatch.undo()
    assert made(np.zeros(3)) == 3  # once compiled it is always used


def test_seconds_of_numpy_are_those_of_its_calls(made, monkeypatch):
    def slow(x):
        end = thread_time() + 0.02
        while thread_time() < end:
            pass
        return "numpy"

    monkeypatch.setattr(made, "twin", slow)
    calls = [made(np.zeros(1)) for _ in range(40)]
    assert 10 < calls.count("numpy") < 30  # of half a second, a call takes a fiftieth
    assert calls[-1] == 1


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
