"""pfl-research: its simulated backend in one process, its own FedAvg."""

from itertools import cycle

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam import NNTrainHyperParams
from pfl.model.pytorch import PyTorchModel
from the_work import CLIENTS, RATE, STEPS, Work

from fedbytes.models.batching import make_batch


class Net(torch.nn.Module):
    """The model as pfl wants it: parameters, and the loss of a user's data."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.flat, self.work = work.model.flat, work

    def loss(self, rows: torch.Tensor) -> torch.Tensor:  # which pfl has made floats
        model = self.work.model
        return model.loss(make_batch(model.task.train, rows.long().numpy(), model.device))

    def metrics(self, _: torch.Tensor) -> dict[str, float]:
        """Return nothing: no user is evaluated, but pfl wants a model that could be."""
        return {}


class AdamW(torch.optim.AdamW):
    """Keeps the gradient's place, into parts of which the model's are views."""

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002
        super().zero_grad(set_to_none=False)


class SGD(torch.optim.SGD):
    """Likewise."""

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002
        super().zero_grad(set_to_none=False)


def run(layers: int, _: str, serve) -> None:
    """Make rounds."""
    work, now = Work(layers), {"round": 0, "size": 0}
    work.model.set_state(work.model.initial_state)

    def data_of(client: int) -> Dataset:
        rows = work.rows(now["round"], client, now["size"])
        return Dataset((np.concatenate(rows),), user_id=str(client))

    clients = cycle(range(CLIENTS))
    data = FederatedDataset(data_of, lambda: next(clients))
    backend = SimulatedBackend(training_data=data, val_data=data)
    net = Net(work)
    model = PyTorchModel(
        net,
        lambda parameters, lr: AdamW(parameters, lr=lr, weight_decay=0.0),
        SGD(net.parameters(), lr=1.0),
    )
    algorithm = FederatedAveraging()
    algorithm._current_central_iteration = 1  # it evaluates users in iteration 0

    def make_round(round_: int, size: int) -> torch.Tensor:
        now.update(round=round_, size=size)
        asked = NNAlgorithmParams(
            central_num_iterations=round_ + 1,
            evaluation_frequency=1 << 30,
            train_cohort_size=CLIENTS,
            val_cohort_size=0,
        )
        training = NNTrainHyperParams(
            local_num_epochs=None,
            local_num_steps=STEPS,
            local_learning_rate=RATE,
            local_batch_size=size,
        )
        algorithm.run(asked, backend, model, training, send_metrics_to_platform=False)
        return work.model.get_state()

    serve(make_round)
