"""An algorithm on a tiny model, with its methods called and its rounds run, to be checked."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import Algorithm, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.testing.tiny_models import examples_of, tiny_models
from fedbytes.federated.trainable import Trainable
from fedbytes.testing import BrokenError, require

CLIENTS, SAMPLED = 5, 2


def find_model(algorithm: Algorithm) -> Callable[[], Trainable]:
    """Return the maker of the first tiny model that the algorithm can train.

    Raises:
        BrokenError: if there is none.
    """
    reasons = []
    for make in tiny_models(algorithm.example_model):
        try:
            algorithm.synced_layout(make())
        except ValueError as error:
            reasons.append(str(error))
        else:
            return make
    raise BrokenError(f"no tiny model suits it, name one in example_model: {reasons}")


class Workbench:
    """One algorithm and the tiny model that it is checked on."""

    def __init__(self, algorithm: Algorithm, make: Callable[[], Trainable]) -> None:
        self.algorithm, self.make = algorithm, make

    def federation(self, up: Any = None, down: Any = "fp32", partial: bool = True) -> Federation:
        """Return a federation with a model of its own, and parts of unequal sizes.

        The uplink is the algorithm's example, if it is not given.
        """
        model = self.make()
        bounds = np.linspace(0, 1, CLIENTS + 1) ** 1.5 * examples_of(model)
        parts = [np.arange(int(a), int(b), dtype=np.int64) for a, b in pairwise(bounds)]
        return Federation(
            model=model,
            parts=parts,
            algorithm=self.algorithm,
            uplink=make_link(up or self.algorithm.example_uplink),
            downlink=make_link(down),
            clients_per_round=SAMPLED if partial else CLIENTS,
            aggregation=make_aggregation(self.algorithm.example_aggregation),
            texts=lambda client: [(f"text {row}", "label") for row in parts[client]],
        )

    def partial(self, up: Any = None, down: Any = "fp32") -> bool | None:
        """Return whether it runs with some of the clients, or else with all; None for neither."""
        uplink, downlink = make_link(up or self.algorithm.example_uplink), make_link(down)
        aggregation = make_aggregation(self.algorithm.example_aggregation)
        if aggregation.refuses(uplink):
            return None
        for partial in (True, False):
            joined = compatibility(uplink, downlink, partial, aggregation)
            if self.algorithm.refuses(joined) is None:
                return partial
        return None

    def usual(self) -> Federation:
        """Return a federation whose links are lossless, or the uplink the algorithm's example.

        Raises:
            BrokenError: if the algorithm refuses even that.
        """
        partial = self.partial()
        require(
            partial is not None,
            f"refuses {_said(self.algorithm.example_uplink)} with all clients taking part",
        )
        return self.federation(partial=bool(partial))

    def calls(self, fed: Federation, given: list[Any] | None = None) -> list[Any]:
        """Return what every method gives in two rounds; put what it is given into `given`."""
        recorder = _Recorder(self.algorithm, given)
        run = Simulation(replace(fed, algorithm=cast(Algorithm, recorder)))
        for _ in range(2):
            run.run_round()
        return recorder.out


class _Recorder:
    """Stands in for an algorithm: hands each call on, and keeps what went in and came out."""

    def __init__(self, algorithm: Algorithm, given: list[Any] | None) -> None:
        self._algorithm, self._given = algorithm, given
        self._update: tuple[Tensor, dict[str, Tensor]] | None = None
        self.out: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._algorithm, name)

    def train(self, context: RoundContext, *inputs: Any) -> Trained:
        """Train, and keep the outcome."""
        self._keep(inputs[:-1])  # the last is the generator, which is used up
        trained = self._algorithm.train(context, *inputs)
        self.out.append(trained)
        return trained

    def combine(self, context: RoundContext, *inputs: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Combine; the outcome is kept together with what is held after it."""
        self._keep(inputs)
        self._update = self._algorithm.combine(context, *inputs)
        return self._update

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Apply an update; the server's, which follows `combine`, is kept."""
        self._keep((held, update))
        after = self._algorithm.apply(context, held, update)
        if self._update is not None:
            self.out.append((*self._update, after))
            self._update = None
        return after

    def _keep(self, values: Any) -> None:
        if self._given is not None:
            self._given.append((values, copy.deepcopy(values)))


def _said(uplink: Any) -> str:
    return "lossless links" if uplink == "fp32" else f"its example_uplink {uplink!r}"


def same(a: Any, b: Any) -> bool:
    """Return whether two nests of tensors and plain values are the same to the bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Trained | Upload):
        return same(vars(a), vars(b))
    return bool(a == b)
