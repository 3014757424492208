"""An algorithm on a tiny model, with its methods called and its rounds run, to be checked."""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated.algorithm import Algorithm, Trained
from fedbytes.federated.federation import Federation, pairing, start
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.tiny_models import examples_of, tiny_models
from fedbytes.federated.trainable import Trainable
from fedbytes.streams import stream
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
            algorithm.held(make())
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
        )

    def partial(self, up: Any = None, down: Any = "fp32") -> bool | None:
        """Return whether it runs with some of the clients, or else with all; None for neither."""
        links = make_link(up or self.algorithm.example_uplink), make_link(down)
        for partial in (True, False):
            if self.algorithm.refuses(pairing(*links, partial)) is None:
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
        algorithm, state = self.algorithm, start(fed)
        held, server = state.model, state.server
        out: list[Any] = []
        memories: dict[int, Any] = {}
        announced: dict[int, int] = {}
        for round_ in (1, 2):
            turn, uploads = fed.turn(round_, announced), []
            for client in turn.clients:
                mine, begin = turn.of(client), held
                if algorithm.downloads == "state":
                    begin = algorithm.download(mine, held)
                inputs = begin, fed.parts[client], memories.get(client, {})
                self._keep(given, inputs)
                rng = stream(0, "batches", round_, client)
                trained = algorithm.train(mine, *inputs, rng)
                memories[client] = trained.memory or memories.get(client, {})
                if trained.announces is not None:
                    turn = turn.heard(client, trained.announces)
                uploads.append(Upload(client, trained.delta, len(fed.parts[client])))
                out.append(trained)
            self._keep(given, (held, uploads, server))
            update, server = algorithm.combine(turn, held, uploads, server)
            self._keep(given, (held, update))
            held, announced = algorithm.apply(turn, held, update), dict(turn.announced)
            out.append((update, server, held))
        return out

    def _keep(self, given: list[Any] | None, values: Any) -> None:
        if given is not None:
            given.append((values, copy.deepcopy(values)))


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
