"""What a run's method is called in tables and figures."""

from fedbytes.experiments.config.run_config import RunConfig

AGAIN = " again"
"""Follows the name of a method that is run once more with another order of batches."""


def link_labels(uplink: str, downlink: str) -> dict[str, str]:
    """Return the names of both links, and one for the pair."""
    codec = uplink if uplink == downlink else f"{uplink} up, {downlink} down"
    return {"uplink": uplink, "downlink": downlink, "codec": codec}


def method_name(config: RunConfig) -> str:
    """Return a run's label, or the name of its codec where it has none."""
    parts = config.components
    name = config.label or link_labels(parts.uplink.label, parts.downlink.label)["codec"]
    return name + AGAIN * bool(config.batch_stream)
