"""FedIT: LoRA's factors averaged each by itself."""

from dataclasses import dataclass

from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.lora.lora_averaging import LoraAveraging


@ALGORITHMS.register("fedit")
@dataclass(frozen=True)
class FedIT(LoraAveraging):
    """The mean of all A and the mean of all B (Zhang et al. 2023, arXiv 2305.05644).

    It is FedAvg under the name by which the other ways are compared with it. The product of the
    means is not the mean of the products: what clients learn together is lost in part.
    """
