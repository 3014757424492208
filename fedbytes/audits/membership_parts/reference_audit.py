"""The base of audits of membership that hold a model against others that never saw the texts."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.audited_texts import draw_texts, draw_victims
from fedbytes.audits.membership_parts.membership_audit import MembershipAudit
from fedbytes.audits.membership_parts.public_texts import PublicTexts
from fedbytes.audits.membership_parts.scored_texts import Scored
from fedbytes.audits.membership_parts.shadow_models import ShadowTraining, divide_public
from fedbytes.audits.membership_parts.text_losses import borrowed, text_losses
from fedbytes.compression import Layout
from fedbytes.federated import PluginState, Row, StageContext
from fedbytes.federated.trainable import Trainable
from fedbytes.registry import bounded

_LEAST_PUBLIC = 4


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure models are of some texts: log-likelihoods, of a text's class or mean target token.

    Attributes:
        own: under the model that is audited, float64 [texts].
        out: under each reference, which was trained without them, float64 [references, texts].
    """

    own: Doubles
    out: Doubles


@dataclass(frozen=True)
class ReferenceAudit(MembershipAudit):
    """Compare how sure a model is of a text with how sure models are that never saw it.

    The observer trains these itself, on public texts of the task (its test split) from the vector
    that all began with, by the run's algorithm and for as many rounds (`ShadowTraining`). They are
    kept in the checkpoint, a vector each, and trained once a run. `auc_untrained` is the AUC of the
    first vector held against the same references.

    Of a message they are what other clients' messages would make of the model that the round began
    with. From the second round on that has read the members before, so the score is of what the
    round adds, and less than these attacks have by models that never saw a text.

    Attributes:
        references: how many models the observer trains.
    """

    needs_texts: ClassVar[bool] = True

    of: Literal["model", "message"] = "model"
    references: int = bounded(2, least=1)

    @property
    def held_back(self) -> int:
        """How many public texts no reference is trained on."""
        return 0

    def refuses_model(self, model: Trainable, layout: Layout) -> str | None:
        """Refuse a task without public texts to train on."""
        task: Any = getattr(model, "task", None)
        count = 0 if task is None else len(task.test)
        least = max(_LEAST_PUBLIC, 2 * self.held_back)
        if count >= least:
            return None
        return (
            f"it trains models on test texts, of which the task has {count}: have at least "
            f"{least}, by raising task.max_test_examples"
        )

    @abstractmethod
    def weigh(self, texts: Confidence, public: Confidence) -> Doubles:
        """Return the score of each text, the higher the likelier a member, float64 [texts].

        Args:
            texts: members and others, in an order that tells nothing.
            public: the public texts that no model was trained on, `held_back` of them at most.
        """

    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return how sure the model is of each text, which `weigh` then holds against others."""
        return np.array([-one.loss for one in text_losses(model, rows)], dtype=np.float64)

    def prepared(self, context: StageContext, state: PluginState) -> PluginState:
        """Train the references up to this round, or of messages those beside the round's."""
        _, pool = divide_public(context, self.held_back)
        training = ShadowTraining(context, pool)
        numbers = range(self.references)
        if self.of == "message":
            known = "beside" in state
            return state if known else {**state, "beside": [*map(training.message, numbers)]}
        after = state.get("trained", 0)
        shadows = state.get("shadows") or [training.begin() for _ in numbers]
        shadows = [training.trained(shadows[number], number, after) for number in numbers]
        return {**state, "trained": context.round, "shadows": shadows}

    def _scored(
        self,
        context: StageContext,
        state: PluginState,
        victims: Sequence[int],
        before: Tensor | None,
        change: Tensor | None,
    ) -> Scored:
        newest = context.held if before is None or change is None else before + change
        return self._weighed(context, victims, [newest], state["beside"])[0]

    def _rows_of_model(self, context: StageContext, kept: PluginState) -> list[Row]:
        assert context.algorithm is not None
        first = context.algorithm.initial(context.model, context.seed)
        shadows = [shadow["held"] for shadow in kept["shadows"]]
        victims = draw_victims(context, self.clients)
        now, start = self._weighed(context, victims, [context.held, first], shadows)
        return [self._row(now) | self._untrained(start)]

    def _weighed(
        self,
        context: StageContext,
        victims: Sequence[int],
        audited: Sequence[Tensor],
        shadows: Sequence[Tensor],
    ) -> list[Scored]:
        """Return the scores of victims' texts under each audited vector, by the same references.

        Members and others are weighed together: what is estimated of all does not tell them apart.
        """
        drawn = draw_texts(context, victims, self.texts)
        back, _ = divide_public(context, self.held_back)
        vectors, count = [*audited, *shadows], len(audited)
        texts = self._under(vectors, context.model, np.concatenate(drawn))
        public = self._under(vectors, PublicTexts(context.model), back)
        found = [
            self.weigh(Confidence(own, texts[count:]), Confidence(beside, public[count:]))
            for own, beside in zip(texts[:count], public[:count], strict=True)
        ]
        members = len(drawn[0])
        return [(scores[:members], scores[members:]) for scores in found]

    def _under(self, vectors: Sequence[Tensor], model: Any, rows: np.ndarray) -> Doubles:
        """Return the log-likelihoods of texts under several vectors, float64 [vectors, rows]."""
        found = np.zeros((len(vectors), len(rows)))
        for place, vector in enumerate(vectors):
            with borrowed(model, vector):
                found[place] = self.scores(model, rows, None, None)
        return found
