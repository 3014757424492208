"""Which coordinates of an update are encrypted, where less than all of it is."""

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Floats
from fedbytes.compression.layout import Shared


def encrypted_places(share: float, held: Floats, shared: Shared) -> NDArray[np.bool_]:
    """Return which coordinates [numel] are encrypted: those with the largest |weight * update|.

    All clients hold both, the server neither, so that they agree on it without a message. Before
    there is a last update, all are.
    """
    places = np.ones(shared.layout.numel, bool)
    if share < 1 and shared.reference is not None and held.size == places.size:
        score = np.abs(held * shared.reference.numpy())
        chosen = np.argsort(-score, kind="stable")[: round(share * places.size)]
        places[:] = False
        places[chosen] = True
    return places
