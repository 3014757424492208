"""Which defences train on the server where it cannot, or where clients would not know of it."""

from fedbytes.federated.fit.sent_layouts import SentLayouts
from fedbytes.federated.plugins.defense import Defense
from fedbytes.federated.plugins.round_plugins import RoundPlugins


def refuse_server_training(
    plugins: RoundPlugins, sent: SentLayouts, initial: str, server_rows: int
) -> str | None:
    """Return why the server cannot train or trust examples as the plug-ins ask, or None.

    Args:
        plugins: of the run.
        sent: what clients hold, train and send.
        initial: how clients get the initial state, `full` or `seed`.
        server_rows: how many training examples the server has for itself.
    """
    if plugins.root_examples and getattr(sent.model, "task", None) is None:
        return (
            "the server sends trusted examples as tokens, and the model has no texts: leave "
            "out "
            f"{', '.join(c.name for c in plugins.clean if c.trusts)}"
        )
    reasons = (_refuse_defense(one, sent, initial, server_rows) for one in plugins.defense)
    return next((reason for reason in reasons if reason), None)


def _refuse_defense(
    defense: Defense, sent: SentLayouts, initial: str, server_rows: int
) -> str | None:
    if "start" in defense.stages and initial == "seed":
        return (
            f"defense {defense.name!r} begins with what no seed draws: set initial=full, "
            "which sends it"
        )
    if not defense.server_examples:
        return None
    algorithm = sent.algorithm
    if not server_rows:
        return (
            f"defense {defense.name!r} trains on the server's own examples, of which the "
            "task gives it 0: take a task that does, such as news-policy"
        )
    if not algorithm.takes_local_steps:
        return (
            f"defense {defense.name!r} takes local steps on the server, and algorithm "
            f"{algorithm.name!r} has none: take one that averages, such as fedavg"
        )
    counted = algorithm.needs_weights or algorithm.needs_votes
    if not sent.are_of_what_is_held or (counted and "uploads" in defense.stages):
        return (
            f"defense {defense.name!r} trains on the server what clients hold, and "
            f"algorithm {algorithm.name!r} holds, sends or adds up something else: "
            "take one that averages, such as fedavg"
        )
    return None
