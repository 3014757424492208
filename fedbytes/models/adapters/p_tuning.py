from dataclasses import dataclass
from typing import Any

from torch import nn

from fedbytes.data.quiet import quiet_logger
from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.draws import uniform_below
from fedbytes.models.prompting import read_first
from fedbytes.models.soft_prompt import SoftPrompt

NAME = "prompt_encoder"


@ADAPTERS.register("p_tuning")
@dataclass(frozen=True)
class PTuning(SoftPrompt):
    """A soft prompt behind a small network that is trained with it (P-tuning, arXiv:2103.10385).

    The network is peft's: three linear layers. Its parameters are trained and sent, and not the
    vectors that it makes: a client that is sent those alone could not go on training the network.

    Attributes:
        encoder_hidden: width of the network.
    """

    encoder_hidden: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_hidden < 1:
            raise ValueError(f"encoder_hidden must be at least 1, got {self.encoder_hidden}")

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Put the prompt in front of what the model reads; return it with its network.

        The network's weights and biases are drawn as torch draws them.
        """
        with quiet_logger("bitsandbytes"):
            from peft import PromptEncoder, PromptEncoderConfig

        hidden = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        config = PromptEncoderConfig(
            num_virtual_tokens=self.tokens,
            num_transformer_submodules=1,
            token_dim=hidden,
            encoder_hidden_size=self.encoder_hidden,
        )
        device = next(backbone.parameters()).device
        encoder: Any = PromptEncoder(config).to(device)  # type: ignore[no-untyped-call]
        backbone.add_module(NAME, encoder)
        read_first(backbone, lambda: encoder.mlp_head(encoder.embedding.weight))
        trained: dict[str, Initial] = {f"{NAME}.embedding.weight": self.words(backbone)}
        for name, layer in encoder.mlp_head.named_children():
            if isinstance(layer, nn.Linear):
                width = layer.in_features
                trained[f"{NAME}.mlp_head.{name}.weight"] = uniform_below(width**-0.5)
                trained[f"{NAME}.mlp_head.{name}.bias"] = uniform_below(width**-0.5)
        return trained
