"""Where the energy of real LoRA deltas lies: what `lora_klt` builds on, and what it leaves.

    python benchmarks/spectra_lora.py FOLDER OUT   # captures of lora_deltas.py -> OUT/spectra.csv

Shares of the energy of the factors in the leading quarter of a pair's rank axis, by basis; in as
many components of all A stacked as one pair has in that quarter; and on column directions that the
previous global update knows.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

Pair = tuple[np.ndarray, np.ndarray]


def main(folder: Path, out: Path) -> None:
    """Write a row for every captured delta of a client."""
    rows = []
    for path in sorted(folder.glob("*-r*-*.npz")):
        family, rank, alpha = path.stem.split("-")
        known = {"family": family, "rank": int(rank[1:]), "alpha": alpha.removeprefix("a")}
        with np.load(path) as kept:
            shapes = json.loads(str(kept["layout"]))
            arrays = {name: kept[name].astype(np.float64) for name in kept.files if "/" in name}
        for name, delta in arrays.items():
            round_, who = name.split("/")
            if who.startswith("client"):
                earlier = arrays[f"{round_}/reference"]
                found = _shares(_pairs(delta, shapes), _pairs(earlier, shapes))
                cosine = delta @ earlier / np.sqrt((delta @ delta) * (earlier @ earlier))
                rows.append(
                    known | {"round": int(round_[5:]), "client": who} | found | {"cosine": cosine}
                )
    pd.DataFrame(rows).to_csv(out / "spectra.csv", index=False, float_format="%.4f")
    print(pd.DataFrame(rows).drop(columns="client").groupby(["family", "rank", "alpha"]).mean())


def _pairs(vector: np.ndarray, shapes: dict[str, list[int]]) -> list[Pair]:
    """Return every A [r, in] and B transposed [r, out]."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    parts = dict(zip(shapes, np.split(vector, ends[:-1]), strict=True))
    tensors = {name: parts[name].reshape(shape) for name, shape in shapes.items()}
    names = [name for name in tensors if "lora_A" in name]
    return [(tensors[a], tensors[a.replace("lora_A", "lora_B")].T) for a in names]


def _shares(delta: list[Pair], earlier: list[Pair]) -> dict[str, float]:
    quarter = delta[0][0].shape[0] // 4
    matrices = [matrix for pair in delta for matrix in pair]
    own = sum(_held(matrix, _basis(matrix), quarter) for matrix in matrices)
    turned = sum(
        _held(matrix, _basis(np.hstack([_unit(side) for side in before])), quarter)
        for pair, before in zip(delta, earlier, strict=True)
        for matrix in pair
    )
    stack, stack_before = (np.vstack([a for a, _ in side]) for side in (delta, earlier))
    total, of_a = sum((m**2).sum() for m in matrices), (stack**2).sum()
    columns = np.linalg.svd(stack_before, full_matrices=False)[2][:quarter]
    return {
        "own": own / total,
        "reference": turned / total,
        "own_a_apart": sum(_held(a, _basis(a), quarter) for a, _ in delta) / of_a,
        "own_a_stacked": _held(stack, _basis(stack), quarter) / of_a,
        "reference_columns_a": ((stack @ columns.T) ** 2).sum() / of_a,
        "kurtosis": float(np.mean([(m**4).mean() / (m**2).mean() ** 2 for m in matrices])),
    }


def _unit(matrix: np.ndarray) -> np.ndarray:
    return matrix / max(np.linalg.norm(matrix), 1e-30)


def _basis(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, full_matrices=False)[0]


def _held(matrix: np.ndarray, basis: np.ndarray, directions: int) -> float:
    return float(((basis[:, :directions].T @ matrix) ** 2).sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
