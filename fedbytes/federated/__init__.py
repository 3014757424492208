"""The round between a server and clients, and what takes part in it.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.federated.algorithm import (
        ALGORITHMS,
        Algorithm,
        ClientMemory,
        Pairing,
        Trained,
        make_algorithm,
    )
    from fedbytes.federated.algorithms.fedavg import FedAvg
    from fedbytes.federated.averaging import Averaging, weighted_mean
    from fedbytes.federated.clock import Clock
    from fedbytes.federated.context import Turn
    from fedbytes.federated.federation import Federation, pairing, start
    from fedbytes.federated.hooks import Context, Hooks, Upload
    from fedbytes.federated.lora.client_ranks import Ranks
    from fedbytes.federated.lora.lora_averaging import LoraAveraging
    from fedbytes.federated.lora.named_tensors import pack, unpack
    from fedbytes.federated.lora.subspace import Reduced
    from fedbytes.federated.protocol.channel import Channel
    from fedbytes.federated.protocol.ledger import Entry, Ledger
    from fedbytes.federated.protocol.link import Link, make_link
    from fedbytes.federated.round import RoundReport, run_round
    from fedbytes.federated.state import State
    from fedbytes.federated.testing.algorithm_contract import check_algorithm
    from fedbytes.federated.testing.strict_client import Rehearsal, StrictClient
    from fedbytes.federated.trainable import Steppable, Trainable

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Averaging",
    "Channel",
    "ClientMemory",
    "Clock",
    "Context",
    "Entry",
    "FedAvg",
    "Federation",
    "Hooks",
    "Ledger",
    "Link",
    "LoraAveraging",
    "Pairing",
    "Ranks",
    "Reduced",
    "Rehearsal",
    "RoundReport",
    "State",
    "Steppable",
    "StrictClient",
    "Trainable",
    "Trained",
    "Turn",
    "Upload",
    "check_algorithm",
    "make_algorithm",
    "make_link",
    "pack",
    "pairing",
    "run_round",
    "start",
    "unpack",
    "weighted_mean",
]

__getattr__, __dir__ = lazy_face(__name__)
