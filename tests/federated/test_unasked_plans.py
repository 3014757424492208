"""A class cannot pass over what a class above it changes of the local steps."""

import pytest

from fedbytes.federated.algorithms.feddyn import FedDyn
from fedbytes.federated.algorithms.fedprox import FedProx
from fedbytes.federated.algorithms.local import Local
from fedbytes.federated.algorithms.scaffold import Scaffold


@pytest.mark.parametrize("parent", [FedProx, FedDyn, Local, Scaffold])
def test_a_client_that_would_pass_over_its_parents_plan_is_refused(parent):
    with pytest.raises(TypeError, match=rf"Noted: .*{parent.__name__}\.plan, which a `client`"):

        class Noted(parent):
            def client(self, model, start, indices, memory, rng):
                return super().client(model, start, indices, memory, rng)


def test_a_train_that_asks_the_client_instead_of_the_plan_is_refused():
    class Direct(FedProx):
        def train(self, context, start, indices, memory, rng):
            return self.client(None, start, indices, memory, rng)

    with pytest.raises(TypeError, match=r"Direct: .* FedProx\.plan"):
        Direct(local_steps=1).train(None, None, None, {}, None)
