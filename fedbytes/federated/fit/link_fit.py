"""What an algorithm is told of the links that it is joined with."""

from fedbytes.compression.summable import Summable
from fedbytes.federated.aggregation import DECODE_EACH, Aggregation
from fedbytes.federated.algorithm import Compatibility
from fedbytes.federated.protocol.link import Link


def compatibility(
    uplink: Link, downlink: Link, partial: bool, aggregation: Aggregation = DECODE_EACH
) -> Compatibility:
    """Return what decides whether an algorithm can work with these links."""
    codec = uplink.codec
    return Compatibility(
        up_name=uplink.codec.name,
        down_name=downlink.codec.name,
        up_feedback=uplink.memory.feedback != "none",
        down_feedback=downlink.memory.feedback != "none",
        up_momentum=uplink.memory.momentum > 0,
        partial=partial,
        up_differences=uplink.estimates,
        up_exact=uplink.codec.exact,
        down_exact=downlink.codec.exact,
        aggregation=aggregation.name,
        opens_each=aggregation.opens_each,
        to_open_each=aggregation.to_open_each,
        up_one_map=isinstance(codec, Summable) and codec.one_map,
        up_averages_all=uplink.averages_all,
        up_tells_senders=codec.shows_sent,
    )
