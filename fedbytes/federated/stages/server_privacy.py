"""The server's part in a run's privacy: one private mean of what it decoded."""

from collections.abc import Mapping

import torch

from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.stage_context import PluginState, stage_rng


def release(
    fed: Federation,
    context: RoundContext,
    uploads: list[Upload],
    states: dict[str, PluginState],
) -> list[Upload]:
    """Return the one upload, a private mean, that the algorithm is given.

    Args:
        fed: the federation.
        context: the server's.
        uploads: what it decoded of each client; there may be none.
        states: what each mechanism keeps on the server, changed in place.
    """
    for place, mechanism in enumerate(fed.privacy):
        if not mechanism.releases_sum:
            continue
        stage = f"privacy {place} {mechanism.name}"
        mean, states[stage] = mechanism.release(
            (upload.delta.numpy() for upload in uploads),
            fed.algorithm.up(context).numel,
            stage_rng(context, stage),
            states.get(stage, {}),
        )
        uploads = [Upload(-1, torch.from_numpy(mean), 1)]
    return uploads


def note_senders(
    fed: Federation,
    context: RoundContext,
    outcome: Mapping[str, int],
    states: dict[str, PluginState],
    counted: float | None = None,
) -> None:
    """Let mechanisms whose noise is that of a sum know how many clients are in it.

    Args:
        fed: the federation.
        context: the server's.
        outcome: what the aggregation says of the round.
        states: what each mechanism keeps on the server, changed in place.
        counted: what the sum says beside the vector.
    """
    for place, mechanism in enumerate(fed.privacy):
        if mechanism.noisy_sum(1) is None:
            continue
        stage = f"privacy {place} {mechanism.name}"
        senders = 0 if outcome.get("aborted") else outcome.get("summed_clients", 0)
        before = states.get(stage, {})
        states[stage] = mechanism.after_sum(senders, len(context.clients), before)
        if counted is not None and senders:
            states[stage] = mechanism.after_count(counted, states[stage])
