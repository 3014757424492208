"""A loop over clients in plain torch."""

import torch
from the_work import CLIENTS, Work


def run(layers: int, _: str, serve) -> None:
    """Make rounds."""
    work = Work(layers)
    state = work.model.initial_state

    def make_round(round_: int, size: int) -> torch.Tensor:
        nonlocal state
        deltas = [work.train(state, round_, client, size) for client in range(CLIENTS)]
        state = state + torch.stack(deltas).mean(0)
        return state

    serve(make_round)
