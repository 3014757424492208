"""Coverage-guided fuzzing of every decoder with payloads that have a right digest.

    python tests/compression/fuzz_atheris.py -atheris_runs=100000 -max_len=400

The first two bytes choose the codec's variant, the rest is the body. Anything but a ValueError or
a finite vector of the right length ends the run. It needs atheris (`pip install '.[fuzz]'`); the
slow tests run it for a bounded time. Kernels run as their numpy twins, which atheris can follow.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["FEDBYTES_NO_NUMBA"] = "1"

import atheris
import numpy as np
import torch

with atheris.instrument_imports(include=["fedbytes.compression"]):
    from fedbytes.compression import Layout, Shared, default_variants, make_codec
    from fedbytes.compression.codec import DIGEST_BYTES, seal
    from fedbytes.compression.testing.sample_vectors import draw_vector

    CODECS = [make_codec(spec) for spec in default_variants()]

SHARED = Shared(Layout({"a": (7, 11), "b": (123,)}), seed=5)


def one_input(data: bytes) -> None:
    """Decode a body by the codec that its first two bytes choose."""
    if len(data) < 2:
        return
    codec = CODECS[int.from_bytes(data[:2], "little") % len(CODECS)]
    try:
        y = codec.decode(seal(codec, data[2:], SHARED), SHARED)
    except ValueError:
        return
    if y.shape != (SHARED.layout.numel,) or not bool(torch.isfinite(y).all()):
        raise RuntimeError(f"{codec} decoded to {y}")


def write_corpus(folder: str) -> None:
    """Write a sound body of every variant, for the search to start from."""
    x = torch.from_numpy(draw_vector("t3", SHARED.layout.numel, np.random.default_rng(0)))
    for place, codec in enumerate(CODECS):
        body = codec.encode(x, SHARED)[:-DIGEST_BYTES]
        (Path(folder) / str(place)).write_bytes(place.to_bytes(2, "little") + body)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        write_corpus(corpus)
        atheris.Setup([*sys.argv, corpus], one_input)
        atheris.Fuzz()
