from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial


@ADAPTERS.register("head")
@dataclass(frozen=True)
class HeadOnly(Adapter):
    """Train the classification head only; the base is unchanged."""

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:  # noqa: ARG002
        """Return no parameters: the head is always trained."""
        return {}

    def trains_below_head(self) -> bool:
        """Return False."""
        return False
