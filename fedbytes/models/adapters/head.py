from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial


@ADAPTERS.register("head")
@dataclass(frozen=True)
class HeadOnly(Adapter):
    """Train the classification head alone; the base stays as it is."""

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:  # noqa: ARG002
        """Return nothing: the head is always trained."""
        return {}

    def trains_below_head(self) -> bool:
        """Return False."""
        return False
