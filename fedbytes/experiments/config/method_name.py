"""What a run's method is called in tables and figures."""

from collections.abc import Sequence

from fedbytes.experiments.config.run_config import RunConfig

AGAIN = " again"
"""Follows the name of a method that is run once more with another order of batches."""


def link_labels(uplink: str, downlink: str) -> dict[str, str]:
    """Return the names of both links, and one for the pair."""
    codec = uplink if uplink == downlink else f"{uplink} up, {downlink} down"
    return {"uplink": uplink, "downlink": downlink, "codec": codec}


def table_names(configs: Sequence[RunConfig]) -> list[str]:
    """Return what tables call the method of each run.

    Where runs of one label have several codecs, the codec is named after it.
    """
    codecs: dict[str, set[str]] = {}
    for config in configs:
        codecs.setdefault(method_name(config), set()).add(_codec(config))
    return [
        name if len(codecs[name]) == 1 else f"{name} · {_codec(config)}"
        for config in configs
        for name in [method_name(config)]
    ]


def _codec(config: RunConfig) -> str:
    parts = config.components
    return link_labels(parts.uplink.label, parts.downlink.label)["codec"]


def method_name(config: RunConfig) -> str:
    """Return a run's label, or the name of its codec where it has none."""
    return (config.label or _codec(config)) + AGAIN * bool(config.batch_stream)
