"""Some tensors of a layout as a layout of their own, with its `Shared`."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.layout import Layout, Shared
from fedbytes.streams import stream_seed


class LayoutPart:
    """Some tensors of a layout, in its order, as a separate flat vector.

    Args:
        layout: the whole.
        names: the tensors of the part.
    """

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        shapes, slices = layout.shapes, layout.slices()
        self.layout = Layout({name: shapes[name] for name in names})
        self._runs = _join_slices([slices[name] for name in names])

    def gather(self, x: Floats) -> Floats:
        """Return the part of x [whole]; a view if it is contiguous."""
        pieces = [x[run] for run in self._runs]
        return pieces[0] if len(pieces) == 1 else np.concatenate([*pieces, x[:0]])

    def scatter(self, part: Floats, x: Floats) -> None:
        """Write the part into x [whole]."""
        at = 0
        for run in self._runs:
            size = run.stop - run.start
            x[run] = part[at : at + size]
            at += size

    def shared(self, whole: Shared, purpose: str, index: int) -> Shared:
        """Return the `Shared` of the part; `purpose` and `index` select its randomness."""
        reference = whole.reference
        if reference is not None:
            reference = reference.new_tensor(self.gather(reference.detach().cpu().numpy()))
        return dataclasses.replace(
            whole,
            layout=self.layout,
            seed=stream_seed(whole.seed, f"codec part/{purpose}", index),
            reference=reference,
        )


def _join_slices(slices: Sequence[slice]) -> list[slice]:
    """Join adjacent slices."""
    runs: list[slice] = []
    for piece in slices:
        if runs and runs[-1].stop == piece.start:
            runs[-1] = slice(runs[-1].start, piece.stop)
        else:
            runs.append(piece)
    return runs
