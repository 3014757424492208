from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Initial, KeptForm
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter, find_modules
from fedbytes.models.initialisers import keep_value


@ADAPTERS.register("bitfit")
@dataclass(frozen=True)
class BitFit(TargetedAdapter):
    """Train the bias terms only, starting from the pretrained ones (arXiv:2106.10199).

    `targets: auto` trains every bias, including those of normalisations, and with `layers: all`
    also those outside the stack of layers; a list selects modules by name.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("merged",)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return the biases and their pretrained values.

        Raises:
            ValueError: if the model has no biases, as Llama; or a target or layer does not exist.
        """
        indices, outside = self._layer_indices(backbone), self.layers == "all"
        found = find_modules(backbone, indices, _has_bias, outside)
        if not found:
            kind = getattr(getattr(backbone, "config", None), "model_type", "such")
            raise ValueError(
                f"adapter 'bitfit' trains biases, which a {kind} model lacks there: use ia3, which "
                "trains about as few values"
            )
        chosen = set(self._chosen(found, "module with a bias", sorted(found)))
        return {
            name: keep_value
            for name, _ in backbone.named_parameters()
            if name.endswith(".bias") and name.removesuffix(".bias") in chosen
        }


def _has_bias(module: nn.Module) -> bool:
    return isinstance(module._parameters.get("bias"), Tensor)
