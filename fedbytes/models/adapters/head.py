from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial, KeptForm


@ADAPTERS.register("head")
@dataclass(frozen=True)
class HeadOnly(Adapter):
    """Train the classification head only; the base is unchanged."""

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("own", "merged")
    side_by_side: ClassVar[bool] = True

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:  # noqa: ARG002
        """Return no parameters: the head is always trained."""
        return {}

    def trains_below_head(self) -> bool:
        """Return False."""
        return False
