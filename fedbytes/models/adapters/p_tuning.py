from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.prepend_prompt import prepend_prompt
from fedbytes.models.adapter_parts.soft_prompt import SoftPrompt
from fedbytes.models.base.capability import can_run_lstm, run_lstm
from fedbytes.models.initialisers import draw_uniform_below
from fedbytes.plugin_fields import added_field, bounded
from fedbytes.process.quiet import quiet_logger

_NAME = "prompt_encoder"
_LSTM_LAYERS = 2  # of an LSTM, as in peft


@ADAPTERS.register("p_tuning")
@dataclass(frozen=True)
class PTuning(SoftPrompt):
    """A soft prompt behind a small network that is trained with it (P-tuning, arXiv:2103.10385).

    The network is peft's: three linear layers, or a bidirectional LSTM and two linear
    layers. Its parameters are trained and sent, and not the vectors that it makes: a client that is
    sent those alone could not go on training the network.

    Attributes:
        encoder_hidden: width of the network; an LSTM's in each direction.
        encoder: `mlp`: linear layers alone; `lstm`: an LSTM that reads the prompt before them.
        encoder_layers: layers of the LSTM.
    """

    encoder_hidden: int = bounded(128, least=1)
    encoder: Literal["mlp", "lstm"] = added_field("mlp")
    encoder_layers: int = added_field(bounded(_LSTM_LAYERS, least=1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == "mlp" and self.encoder_layers != _LSTM_LAYERS:
            raise ValueError(
                f"encoder_layers={self.encoder_layers} is of an LSTM: set encoder=lstm, or leave "
                "it out"
            )

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Put the prompt in front of what the model reads; return it with its network.

        The network's weights and biases are drawn as torch draws them.
        """
        hidden = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        encoder = self._encoder(hidden).to(next(backbone.parameters()).device)
        backbone.add_module(_NAME, encoder)
        if self.encoder == "lstm":  # asked now and remembered, not in the middle of a run
            _reads(encoder.lstm_head, torch.bfloat16)
        prepend_prompt(backbone, lambda: _vectors(encoder))
        trained: dict[str, Initial] = {f"{_NAME}.embedding.weight": self.words(backbone)}
        for place, layer in encoder.named_modules():
            if isinstance(layer, nn.Linear | nn.LSTM):
                width = layer.in_features if isinstance(layer, nn.Linear) else layer.hidden_size
                for name, _ in layer.named_parameters():
                    trained[f"{_NAME}.{place}.{name}"] = draw_uniform_below(width**-0.5)
        return trained

    def _encoder(self, hidden: int) -> Any:
        with quiet_logger("bitsandbytes"):
            from peft import PromptEncoder, PromptEncoderConfig

        config = PromptEncoderConfig(
            num_virtual_tokens=self.tokens,
            num_transformer_submodules=1,
            token_dim=hidden,
            encoder_hidden_size=self.encoder_hidden,
            encoder_reparameterization_type=self.encoder.upper(),
            encoder_num_layers=self.encoder_layers,
            encoder_dropout=0.0,
        )
        return PromptEncoder(config)  # type: ignore[no-untyped-call]


def _vectors(encoder: Any) -> Tensor:
    """Return the prompt [length, hidden] that an encoder makes."""
    states = encoder.embedding.weight
    if hasattr(encoder, "lstm_head"):
        states = _read(encoder.lstm_head, states)
    made: Tensor = encoder.mlp_head(states)
    return made


def _read(lstm: nn.LSTM, states: Tensor) -> Tensor:
    """Return what an LSTM makes of the prompt, in float32 where autocast's type cannot be had."""
    kind = states.device.type
    if not torch.is_autocast_enabled(kind) or _reads(lstm, torch.get_autocast_dtype(kind)):
        return run_lstm(lstm, states)
    with torch.autocast(kind, enabled=False):
        return run_lstm(lstm, states)


def _reads(lstm: nn.LSTM, dtype: torch.dtype) -> bool:
    device = lstm.weight_ih_l0.device
    return can_run_lstm(device, dtype, lstm.input_size, lstm.hidden_size, lstm.num_layers)
