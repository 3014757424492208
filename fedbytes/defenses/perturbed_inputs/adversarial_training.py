"""The base of defences in which clients train on perturbed inputs."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from fedbytes.federated import Defense, LossOf, Perturbable, Perturbation, StageContext
from fedbytes.registry import bounded


@dataclass(frozen=True)
class AdversarialTraining(Defense):
    """Clients minimise a loss of their texts under a worst-case shift of the token embeddings.

    The shift of a text is no longer than `eps` times the text's own embeddings (L2 over all of its
    tokens; papers give their radius in absolute numbers). It starts at random and takes `steps`
    steps of length `alpha`. All layers run for it, constant ones too; with `at: states` only the
    trained ones do, as in plain training.

    Attributes:
        steps: steps of the shift for each of the client's.
        eps: the radius, in norms of the text's embeddings; 0 for no shift.
        alpha: length of a step, in the same unit; None for 2 eps / steps.
        at: what is shifted: `embeddings` of tokens, or the `states` that the lowest trained layer
            reads, where those below it are kept (embeddings, where none are).
    """

    perturbs_inputs: ClassVar[bool] = True
    needs_each: ClassVar[bool] = False

    steps: int = bounded(3, least=1)
    eps: float = bounded(0.05, least=0)
    alpha: float | None = bounded(None, above=0)
    at: Literal["embeddings", "states"] = "embeddings"

    @property
    def step(self) -> float:
        """Length of a step, in norms of the text's embeddings."""
        return 2 * self.eps / self.steps if self.alpha is None else self.alpha

    @property
    def perturbs_embeddings(self) -> bool:
        """False at `states`, for which constant layers need not run."""
        return not self.at_states

    @property
    def at_states(self) -> bool:
        """Whether it shifts what the lowest trained layer reads."""
        return self.at == "states"

    def loss(self, loss: LossOf, context: StageContext) -> LossOf:
        """Return the loss of perturbed inputs; shifts are drawn anew for each batch.

        Raises:
            ValueError: if the model's inputs cannot be shifted.
        """
        model, rng = context.model, context.rng()
        if not isinstance(model, Perturbable):
            raise ValueError(
                f"defense {self.name!r} shifts the inputs of a model, which "
                f"{type(model).__name__} does not allow: see fedbytes.federated.Perturbable"
            )
        return lambda batch: self.perturbed(loss, model, batch, Perturbation(self.eps, rng))

    @abstractmethod
    def perturbed(
        self, loss: LossOf, model: Perturbable, batch: Any, shift: Perturbation
    ) -> Tensor:
        """Return the loss of a batch under a shift that is given before its first step."""
