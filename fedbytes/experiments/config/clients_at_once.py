"""How many clients of a round a run trains side by side, and `auto` as a number."""

from fedbytes.data import Task
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.side_by_side.fit import refuse_side_by_side, why_one_at_a_time
from fedbytes.models import Adapter, ModelSpec
from fedbytes.models.base.device import pick_device
from fedbytes.models.side_by_side.fit import why_not_stacked

AUTO = "auto"
_CPU_TOKENS, _GPU_TOKENS = 1024, 65536
"""Tokens of a step of all clients: on a CPU, up to which it was measured that more at a time gain
(docs/clients-side-by-side.md)."""
_SCORED_TOKENS = 4096
"""The same where each token has a score of every word, which take the memory."""


def settle_at_once(
    wanted: int | str,
    sampled: int | None,
    known: int | None = None,
    *,
    algorithm: Algorithm,
    plugins: RoundPlugins,
    adapter: Adapter,
    model: ModelSpec,
    task: Task,
) -> int:
    """Return how many clients train at once, no more than a round can have.

    `auto` is 1 where clients cannot, and else as many as a step gains from, in groups of about the
    same size. It depends on the device, and so does the id of a run that is planned with it.

    Args:
        wanted: as configured.
        sampled: clients of a round; None where it is not known or differs.
        known: clients that there are, which no round has more than; None where it is not known.
        algorithm: the run's, as are the others.
        plugins: defences may change the loss.
        adapter: what is trained.
        model: of which kind and on which device.
        task: for the length of its texts.

    Raises:
        ValueError: if clients cannot train side by side and more than one is asked for.
    """
    reason = why_one_at_a_time(algorithm, plugins) or why_not_stacked(adapter, model)
    if wanted != AUTO:
        count = min(int(wanted), sampled or known or int(wanted))
        refusal = refuse_side_by_side(int(wanted), reason)
        if refusal:
            raise ValueError(refusal)
        return count
    if reason:
        return 1
    tokens = _CPU_TOKENS if pick_device(model.device).type == "cpu" else _GPU_TOKENS
    if task.kind == "causal-lm":
        tokens = min(tokens, _SCORED_TOKENS)
    batch_size: int = getattr(algorithm, "batch_size", 1)
    most = max(1, tokens // max(1, batch_size * task.max_length))
    if sampled is None or most >= sampled:
        return min(most, sampled or known or most)
    groups = -(-sampled // most)
    return -(-sampled // groups)
