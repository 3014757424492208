"""Which runs cannot promise anything to each text by noise on clients' gradients."""

import numpy as np

from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.privacy.gradient_noise import LocalSampling


def local_sampling(algorithm: Algorithm, sizes: np.ndarray) -> LocalSampling | None:
    """Return how clients draw the texts of local steps; None where their number is not fixed.

    Args:
        algorithm: of the run.
        sizes: texts of each client that has some.
    """
    steps: int | None = getattr(algorithm, "local_steps", None)
    batch_size: int | None = getattr(algorithm, "batch_size", None)
    if steps is None or batch_size is None or not len(sizes):
        return None
    return LocalSampling(int(sizes.min()), batch_size, steps)


def why_not_per_example(
    plugins: RoundPlugins, algorithm: Algorithm, packed: bool = False
) -> str | None:
    """Return in one line why gradients of single texts are not all that clients send, or None.

    Args:
        plugins: of the run.
        algorithm: by which clients train.
        packed: whether rows are cut out of several texts.
    """
    name = plugins.noise_on_gradients
    if not name:
        return None
    says = f"privacy {name!r} with unit=example"
    return (
        _of_algorithm(says, algorithm) or _of_loss(says, plugins) or _of_rows(says, plugins, packed)
    )


def _of_algorithm(says: str, algorithm: Algorithm) -> str | None:
    if not algorithm.takes_plain_steps:
        return (
            f"{says} has noise on the gradient of each local step, and algorithm "
            f"{algorithm.name!r} takes clients' steps in a way of its own: take one that averages "
            "plain steps, such as fedavg"
        )
    if algorithm.has_own_models:
        return (
            f"{says} makes a promise about what clients send, and algorithm {algorithm.name!r} has "
            "them predict with models of their own: take one whose model all share, such as fedavg"
        )
    if algorithm.decides_by_loss:
        return (
            f"{says} covers gradients and no losses, and algorithm {algorithm.name!r} decides by a "
            "client's loss what it sends: take one that does not, such as flasc"
        )
    epochs = getattr(algorithm, "local_epochs", None)
    if epochs is not None:
        return (
            f"{says} counts local steps, and local_epochs={epochs} makes more of them where a "
            "client has more texts, whose number is private: set algorithm.local_steps in its place"
        )
    return None


def _of_loss(says: str, plugins: RoundPlugins) -> str | None:
    for defense in plugins.defense:
        if "loss" in defense.stages:
            return (
                f"{says} takes the gradient of each text's own loss, in the place of which defense "
                f"{defense.name!r} puts one of a whole batch: leave out one of the two"
            )
    return None


def _of_rows(says: str, plugins: RoundPlugins, packed: bool) -> str | None:
    """Return why a row that is drawn is not one text that no other has a part in, or None."""
    if plugins.clean:
        return (
            f"{says} bounds what one text changes, and cleaner {plugins.clean[0].name!r} drops "
            "some by what others say: leave out one of the two"
        )
    if plugins.scored_by_batches:
        return (
            f"audit {plugins.scored_by_batches!r} is scored by the batches that clients read, and "
            f"{says} draws texts by coins of their own: leave out one of the two"
        )
    if packed:
        return (
            f"{says} makes a promise to each row, and task.pack cuts rows out of several texts: "
            "set task.pack=false"
        )
    return None
