"""Checkpoints: where a run can be taken up, so that it ends as if it had never been cut."""

from typing import Any

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.state import State


def save_checkpoint(folder: RunFolder, state: State, ledger: Ledger, extra: dict[str, Any]) -> None:
    """Put down the ledger's newest rows, then the state that they led to."""
    folder.append_ledger(state.round, ledger.take())
    state.save(folder.state, extra | {"bytes": ledger.totals})


def load_checkpoint(folder: RunFolder) -> tuple[State | None, dict[str, Any]]:
    """Return the newest state and its extras, and forget all that came after it.

    Without a checkpoint everything but the configuration is forgotten.
    """
    if not folder.state.exists():
        folder.clear()
        return None, {}
    state, extra = State.load(folder.state)
    folder.rewind(state.round)
    return state, extra
