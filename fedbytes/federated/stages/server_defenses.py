"""The server's defences, applied to the uploads of a round."""

from torch import Tensor

from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.stage_context import PluginState, StageContext


def defend(
    fed: Federation,
    context: RoundContext,
    held: Tensor,
    uploads: list[Upload],
    states: dict[str, PluginState],
) -> list[Upload]:
    """Return what the algorithm aggregates.

    Args:
        fed: the federation.
        context: the server's.
        held: what clients hold.
        uploads: what it decoded.
        states: what each defence keeps, changed in place.

    Raises:
        ValueError: if a defence is for deltas of one layout, and these are of several.
    """
    for place, defense in enumerate(fed.plugins.defense):
        if "uploads" not in defense.stages or not uploads:
            continue
        if defense.one_layout and len({upload.delta.shape for upload in uploads}) > 1:
            raise ValueError(
                f"defense {defense.name!r} needs deltas of one layout, and clients of round "
                f"{context.round} send several: take another defense or algorithm"
            )
        where = StageContext.of(context, held, f"defense {place} {defense.name}")
        uploads, states[where.stage] = defense.uploads(uploads, where, states.get(where.stage, {}))
    return uploads
