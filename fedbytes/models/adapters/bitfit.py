from dataclasses import dataclass

from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter, find_modules
from fedbytes.models.initialisers import keep_value


@ADAPTERS.register("bitfit")
@dataclass(frozen=True)
class BitFit(TargetedAdapter):
    """Train the bias terms alone, starting from the pretrained ones (arXiv:2106.10199).

    `auto` is every bias, those of normalisations included, and with `layers: all` those outside
    the stack of layers too; a list of names takes the biases of the modules so called.
    """

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return the biases.

        Raises:
            ValueError: if the model has none, as Llama and its kin; or a target or layer does not
                exist.
        """
        places, outside = self._places(backbone), self.layers == "all"
        found = find_modules(backbone, places, _has_bias, outside)
        if not found:
            kind = getattr(getattr(backbone, "config", None), "model_type", "such")
            raise ValueError(
                f"adapter 'bitfit' trains biases, and a {kind} model has none there; "
                "ia3 trains about as few values"
            )
        chosen = set(self._chosen(found, "module with a bias", sorted(found)))
        return {
            name: keep_value
            for name, _ in backbone.named_parameters()
            if name.endswith(".bias") and name.removesuffix(".bias") in chosen
        }


def _has_bias(module: nn.Module) -> bool:
    return isinstance(module._parameters.get("bias"), Tensor)
