"""Norms: how long each client's delta is, as the server decodes it."""

from dataclasses import dataclass

import torch

from fedbytes.federated import AUDITS, Audit, Heard, PluginState, Row, StageContext


@AUDITS.register("norms")
@dataclass(frozen=True)
class Norms(Audit):
    """Record the L2 norm and the payload bytes of every delta: a row for each message.

    It tells what norm a `norm_clip` should have, and shows an attacker that sends long deltas. A
    delta [3, -4] over fp32 makes the row `{"client": c, "norm": 5.0, "payload_bytes": 12}`. Where
    the uplink is EF21, it is the norm of the difference that was sent.
    """

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Decode a delta, and put its norm down."""
        if heard.kind != "delta":
            return [], state
        try:
            norm = float(torch.linalg.vector_norm(heard.decode(), dtype=torch.float64))
        except ValueError:  # of a hostile client: the server drops it
            norm = None
        row = {"client": heard.client, "norm": norm}
        return [row | {"payload_bytes": len(heard.frame.payload)}], state
