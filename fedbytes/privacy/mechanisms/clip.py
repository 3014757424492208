"""Clipping: a client's whole message is no longer than a bound."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.privacy.dp.gaussian_noise import clip_to_norm
from fedbytes.privacy.privacy import PRIVACY, MechanismState, Privacy, Vector
from fedbytes.registry import bounded


@PRIVACY.register("clip")
@dataclass(frozen=True)
class Clip(Privacy):
    """Shorten a client's whole message to an L2 norm, before it is encoded (Abadi et al. 2016).

    [3, 4] at `norm: 1` becomes [0.6, 0.8]; [0.3, 0.4] stays as it is, bit for bit. All that the
    client sends counts, control variates included. By itself it hides nothing: it bounds what one
    client can change of a sum, which noise must be a match for.

    Attributes:
        norm: the bound.

    Example:
        >>> import numpy as np
        >>> message = np.array([3, 4], np.float32)
        >>> make_privacy("clip", norm=1.0).protect(message, np.random.default_rng(), {})[0].round(3)
        array([0.6, 0.8], dtype=float32)
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"norm": 0.5},)

    norm: float = bounded(above=0)

    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Shorten the message to the bound; rounding never leaves it longer."""
        return clip_to_norm(message, self.norm), state
