"""A federation small enough to follow by hand, whose every byte is kept."""

import numpy as np
import pytest

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import EXAMPLES, TinyRegression


def federation(clients: int = 4, **fields: object) -> Federation:
    parts = [np.arange(c, EXAMPLES, clients) for c in range(clients)]
    settings: dict[str, object] = {
        "model": TinyRegression(),
        "parts": parts,
        "algorithm": make_algorithm("fedavg", local_steps=3, learning_rate=0.05),
        "uplink": make_link("fp32"),
        "downlink": make_link("fp32"),
        "clients_per_round": clients,
    }
    return Federation(**settings | fields)  # type: ignore[arg-type]


@pytest.fixture
def make_run():
    def make(clients: int = 4, **fields: object) -> Rehearsal:
        fed = federation(clients, **fields)
        return Rehearsal(fed)

    return make
