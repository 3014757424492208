"""FedBPT: clients search for a prompt without gradients, and send where their search went."""

from fedbytes.federated.algorithms.fedbpt.algorithm import FedBPT

__all__ = ["FedBPT"]
