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
    """A soft prompt computed by a small network that is trained with it (arXiv:2103.10385).

    The network is peft's: three linear layers, or a bidirectional LSTM and two linear layers. Its
    parameters are trained and sent rather than the vectors that it computes: from those alone, a
    client could not continue to train the network.

    Attributes:
        encoder_hidden: width of the network; of an LSTM, in each direction.
        encoder: `mlp`: linear layers only; `lstm`: an LSTM in front of them.
        encoder_layers: number of layers of the LSTM.
    """

    encoder_hidden: int = bounded(128, least=1)
    encoder: Literal["mlp", "lstm"] = added_field("mlp")
    encoder_layers: int = added_field(bounded(_LSTM_LAYERS, least=1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == "mlp" and self.encoder_layers != _LSTM_LAYERS:
            raise ValueError(
                f"encoder_layers={self.encoder_layers} requires encoder=lstm (got encoder="
                f"{self.encoder})"
            )

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Prepend the prompt to every input; return it with its network.

        The network's weights and biases are initialised as in torch.
        """
        hidden = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        encoder = self._encoder(hidden).to(next(backbone.parameters()).device)
        backbone.add_module(_NAME, encoder)
        if self.encoder == "lstm":  # tried and cached now rather than in the middle of a run
            _runs(encoder.lstm_head, torch.bfloat16)
        prepend_prompt(backbone, lambda: _vectors(encoder))
        trained: dict[str, Initial] = {f"{_NAME}.embedding.weight": self.words(backbone)}
        for path, layer in encoder.named_modules():
            if isinstance(layer, nn.Linear | nn.LSTM):
                width = layer.in_features if isinstance(layer, nn.Linear) else layer.hidden_size
                for name, _ in layer.named_parameters():
                    trained[f"{_NAME}.{path}.{name}"] = draw_uniform_below(width**-0.5)
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
    """Return the prompt [length, hidden] that an encoder computes."""
    states = encoder.embedding.weight
    if hasattr(encoder, "lstm_head"):
        states = _run_encoder_lstm(encoder.lstm_head, states)
    prompt: Tensor = encoder.mlp_head(states)
    return prompt


def _run_encoder_lstm(lstm: nn.LSTM, states: Tensor) -> Tensor:
    """Return an LSTM's output for the prompt, in float32 if it cannot run in autocast's type."""
    kind = states.device.type
    if not torch.is_autocast_enabled(kind) or _runs(lstm, torch.get_autocast_dtype(kind)):
        return run_lstm(lstm, states)
    with torch.autocast(kind, enabled=False):
        return run_lstm(lstm, states)


def _runs(lstm: nn.LSTM, dtype: torch.dtype) -> bool:
    device = lstm.weight_ih_l0.device
    return can_run_lstm(device, dtype, lstm.input_size, lstm.hidden_size, lstm.num_layers)
