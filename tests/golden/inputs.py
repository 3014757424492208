"""What the record is made from: texts, vectors and columns of whole numbers, the same anywhere."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedbytes.compression import Layout, Shared

WORDS = {
    "sport": ["goal", "match", "team", "coach", "league", "win"],
    "money": ["bank", "stock", "trade", "price", "share", "loan"],
    "weather": ["rain", "wind", "cloud", "storm", "sun", "fog"],
}
AUTHORS = ("ann", "bob", "cid", "dot", "eve")
SHAPES = {"first": (8, 24), "none": (0, 3), "second": (40, 9), "bias": (17,)}
PAIRS = {
    "q.lora_A": (4, 40),
    "q.lora_B": (40, 4),
    "v.lora_A": (4, 40),
    "v.lora_B": (24, 4),
    "head": (5, 40),
    "bias": (10,),
}


def numbers(start: int) -> Iterator[int]:
    """Yield whole numbers in [0, 2^31) by Knuth's MMIX generator, free of any library's."""
    state = start
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def write_texts(folder: Path) -> None:
    """Write `texts.csv`, of 150 texts in three classes by five authors, and `book-*.txt`."""
    draw = numbers(1)
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label", "author"])
        for i in range(150):
            label = list(WORDS)[i % 3]
            text = " ".join(WORDS[label][next(draw) % 6] for _ in range(1 + next(draw) % 6))
            writer.writerow([text, label, AUTHORS[min(next(draw) % 7, 4)]])
    words = [word for group in WORDS.values() for word in group]
    for book in range(3):
        paragraphs = [" ".join(words[next(draw) % 18] for _ in range(9)) for _ in range(12)]
        path = folder / f"book-{book}.txt"
        path.write_bytes("\n\n".join(paragraphs).encode())


def vector(kind: str, layout: Layout) -> torch.Tensor:
    """Return a vector of multiples of 2^-20, `[numel]`: `even`, `heavy` in its tails or `sparse`.

    In `pairs` every matrix has a part of rank one, as the updates of adapters have.
    """
    draw = numbers(sum(kind.encode()))
    whole = np.array([next(draw) % 2**12 - 2**11 for _ in range(layout.numel)], dtype=np.int64)
    if kind == "heavy":
        whole = whole**3 >> 16
    if kind == "sparse":
        whole[np.arange(whole.size) % 13 > 0] = 0
    if kind == "pairs":
        for name, part in layout.slices().items():
            rows, columns = (np.arange(extent) for extent in (*PAIRS[name], 1)[:2])
            whole[part] += 64 * np.outer(7 * rows % 11 - 5, 5 * columns % 13 - 6).ravel()
    return torch.from_numpy((whole / 2**20).astype(np.float32))


def messages() -> Iterator[tuple[str, torch.Tensor, Shared]]:
    """Yield name, vector and what both ends know, with every one of its fields in use."""
    plain, pairs = Layout(SHAPES), Layout(PAIRS)
    earlier = vector("pairs", pairs).roll(1)
    yield "even", vector("even", plain), Shared(plain)
    yield "heavy", vector("heavy", plain), Shared(plain, seed=7, round=3, sender=2)
    yield "sparse", vector("sparse", plain), Shared(plain, seed=1, round=9, sender=5, place=1)
    yield "pairs", vector("pairs", pairs), Shared(pairs, seed=2, round=1, sender=1)
    yield "known", vector("pairs", pairs), Shared(pairs, 2, 1, 1, reference=earlier)


def columns() -> dict[str, Any]:
    """Return columns to split: of nine categories, of five, and of lengths."""
    draw = numbers(3)
    codes = [next(draw) % (1 + next(draw) % 9) for _ in range(400)]
    return {
        "category": np.array([f"c{code}" for code in codes]),
        "five": np.array([f"c{code % 5}" for code in codes]),
        "length": np.array(codes) * 3 + 1,
    }
