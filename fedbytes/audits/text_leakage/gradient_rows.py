"""The rows of a message's matrices, brought to one level of noise."""

import numpy as np
from torch import Tensor

from fedbytes.audits.text_leakage.input_matrices import InputGroup
from fedbytes.audits.text_leakage.signal_space import noise_level
from fedbytes.compression import Layout


def gradient_rows(delta: Tensor, layout: Layout, group: InputGroup, most: int) -> np.ndarray:
    """Return the rows of a group's matrices, each matrix at noise 1, float64 [rows, width].

    So a matrix of noise alone, as of queries that no text asks, drowns no other.

    Args:
        delta: the decoded message.
        layout: of the message.
        group: the matrices.
        most: how many vectors they read at most.
    """
    slices = layout.slices()
    parts = [delta[slices[name]].view(layout.shapes[name]).double().numpy() for name in group.names]
    return np.concatenate([part / noise_level(part, most) for part in parts])
