"""The work that every way does: one model, its texts, ten clients and their batches.

It is imported in each peer's environment as well, so that all train the same model by the same
steps: MiniLM with LoRA of rank 8, ten clients of equally many texts, four steps of AdamW each.
"""

from itertools import islice

import torch
from torch import Tensor

from fedbytes.data.tokens.encoded import Rows
from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.client_split import split_examples
from fedbytes.models import build_model, encode_task
from fedbytes.models.batching import make_batch, shuffled_batches
from fedbytes.streams import stream

CLIENTS, STEPS, TOKENS, RATE = 10, 4, 24, 2e-3


class Work:
    """The model, and what each client trains on.

    Args:
        layers: how many layers from the top have LoRA factors.
        cached: keep the states of the layers below them.
    """

    def __init__(self, layers: int, cached: bool = False) -> None:
        config = make_config(
            {
                "task": {"name": "reuters-r8", "max_length": TOKENS},
                "model": {"name": "minilm", "device": "cpu", "precision": "float32"},
                "adapter": {"name": "lora", "rank": 8, "layers": layers},
                "partition": {"name": "iid", "num_clients": CLIENTS},
            }
        )
        built = config.components
        task = encode_task(built.task, built.model)
        split = split_examples(config, task.train.columns, task.holders).partition
        least = min(map(len, split.indices))  # so that weights by examples are equal ones
        self.parts = [part[:least] for part in split.indices]
        self.model = build_model(built.model, built.adapter, task, layer_cache=cached)
        if cached:
            self.model.prepare()

    def rows(self, round_: int, client: int, size: int) -> list[Rows]:
        """Return the rows of each of a client's batches in a round, as fedbytes draws them."""
        rng = stream(0, "batches", round_, client)
        return [*islice(shuffled_batches(self.parts[client], size, rng), STEPS)]

    def train(self, start: Tensor, round_: int, client: int, size: int) -> Tensor:
        """Return a client's delta `[numel]`: the loop that everybody writes."""
        model = self.model
        model.set_state(start)
        optimizer = torch.optim.AdamW([model.flat], lr=RATE, weight_decay=0.0)
        for rows in self.rows(round_, client, size):
            model.loss(make_batch(model.task.train, rows, model.device)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        return model.get_state() - start
