"""Which models can be trained for several clients side by side."""

from fedbytes.models.adapter import ADAPTERS, Adapter
from fedbytes.models.model_config import ModelSpec


def why_not_stacked(adapter: Adapter, spec: ModelSpec) -> str:
    """Return why clients with an adapter and a model must train one after another, or nothing."""
    if not adapter.side_by_side:
        able = ", ".join(name for name in ADAPTERS.names() if ADAPTERS.get(name).side_by_side)
        return (
            f"adapter {adapter.name!r} has no product of several clients' tensors at once, which "
            f"{able} have"
        )
    if spec.processes:
        return f"with {spec.processes} each process has a part of the model"
    return ""
