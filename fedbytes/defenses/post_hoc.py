"""Post-hoc alignment: after clients' rounds, the server tunes on aligned examples of its own."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.defenses.robust_math.counted_rule import all_send
from fedbytes.federated import (
    DEFENSES,
    Defense,
    PluginState,
    StageContext,
    Upload,
    cap_claims,
    weighted_mean,
)
from fedbytes.registry import bounded


@DEFENSES.register("post_hoc")
@dataclass(frozen=True)
class PostHoc(Defense):
    """From a round on, fine-tune what the clients' mean gives on the server's own examples.

    The post-hoc defence of Ye et al. 2024 (arXiv:2406.10630): a robust rule looks for attackers
    among updates, this one mends what they have done. If the mean would move the model from w to
    w + m and training from there by t, the round's update is m + t. It is one update as any other:
    it goes through the downlink's codec, and is sent to each client that takes part in a later
    round. With `from_round` at the last round the server mends once; earlier, in every round left.

    The examples stay on the server, and no byte is counted for them. It goes last in the list, and
    tunes from where a server optimiser of plain SGD at rate 1 would have moved the model.

    Attributes:
        from_round: the first round that ends with it.
        examples_used: how many of the server's examples, all that there are if these are fewer.
        steps: optimiser steps.
        learning_rate: of these steps; None for that of the clients.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"from_round": 1, "steps": 3},
        {"from_round": 2, "examples_used": 10, "steps": 2},
    )
    needs_each: ClassVar[bool] = False
    server_examples: ClassVar[bool] = True
    least_clients: ClassVar[int] = 1

    from_round: int = bounded(1, least=1)
    examples_used: int = bounded(100, least=1)
    steps: int = bounded(40, least=1)
    learning_rate: float | None = bounded(None, above=0)

    def uploads(
        self, uploads: list[Upload], context: StageContext, state: PluginState
    ) -> tuple[list[Upload], PluginState]:
        """Put the mean and the server's training after it in the place of every delta."""
        if context.round < self.from_round:
            return uploads, state
        assert context.tune is not None
        mean = weighted_mean(cap_claims(uploads))
        if mean.shape != context.held.shape:
            raise ValueError(
                f"defense {self.name!r} trains {len(context.held)} numbers on the server, and "
                f"clients send {len(mean)}: take another algorithm"
            )
        reached, rate = context.held + mean, self.learning_rate
        own = context.tune(reached, self.examples_used, self.steps, rate)
        return all_send(uploads, mean + own), state
