"""Measures the peers on given vectors: python worker.py VECTORS.npz REPEATS > rows.json."""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from adapters import adapters
from base import Adapter, Tensors

PACKAGES = ("bitsandbytes", "nvflare", "fedlab", "hivemind", "pysz", "zstandard", "torch")


def measure(adapter: Adapter, tensors: Tensors, repeats: int) -> dict[str, Any]:
    message = adapter.encode(tensors)
    back = adapter.decode(message, tensors)
    encode_seconds, decode_seconds = [], []
    for _ in range(repeats):
        start = time.process_time()
        message = adapter.encode(tensors)
        middle = time.process_time()
        back = adapter.decode(message, tensors)
        encode_seconds.append(middle - start)
        decode_seconds.append(time.process_time() - middle)
    numel = sum(t.numel() for t in tensors.values())
    lost = sum(float((back[n].double() - t.double()).square().sum()) for n, t in tensors.items())
    energy = sum(float(t.double().square().sum()) for t in tensors.values())
    return {
        "handed_bytes": adapter.handed(message),
        "packed_bytes": adapter.packed(message, tensors),
        "nmse": lost / energy,
        "encode_mb_s": 4e-6 * numel / min(encode_seconds),
        "decode_mb_s": 4e-6 * numel / min(decode_seconds),
    }


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vectors, repeats = np.load(sys.argv[1]), int(sys.argv[2])
    rows = []
    for name in vectors.files:
        flat = torch.from_numpy(vectors[name])
        tensors = {"x": flat}
        if name == "lora":
            tensors = {f"layer.{i}": part for i, part in enumerate(flat.view(240, 16, -1))}
        for adapter in adapters():
            row = {"peer": adapter.peer, "setting": adapter.setting, "vector": name}
            try:
                row |= measure(adapter, tensors, repeats)
            except Exception as error:  # what a peer cannot do is a row too
                row["fault"] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
            rows.append(row)
            print(row, file=sys.stderr)
    json.dump({"rows": rows, "versions": {name: version(name) for name in PACKAGES}}, sys.stdout)


if __name__ == "__main__":
    main()
