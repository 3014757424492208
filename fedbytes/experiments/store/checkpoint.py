"""Checkpoints: a run resumes from one and ends as if it had never been interrupted."""

from typing import Any

from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.state import State


def save_checkpoint(folder: RunFolder, state: State, ledger: Ledger, extra: dict[str, Any]) -> None:
    """Write the ledger's newest rows, then the state that they led to."""
    folder.append_ledger(state.round, ledger.take())
    state.save(folder.state, extra | {"bytes": ledger.totals})


def load_checkpoint(folder: RunFolder) -> tuple[State | None, dict[str, Any]]:
    """Return the newest state and its extras, and discard everything written after it.

    Without a checkpoint everything except the configuration is discarded.
    """
    if not folder.state.exists():
        folder.clear()
        return None, {}
    state, extra = State.load(folder.state)
    folder.rewind(state.round)
    return state, extra
