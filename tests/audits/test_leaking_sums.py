"""What a sum that was opened, and the plain part beside ciphertexts, still tell of texts."""

import numpy as np
import pytest
import torch
from leaky_federation import make_federation

from fedbytes.audits.text_leakage.plain_part import plain_part
from fedbytes.compression import Layout, Shared
from fedbytes.compression.summable import as_summable
from fedbytes.experiments import make_config
from fedbytes.federated import Heard, make_audit, make_link
from fedbytes.federated.aggregations.encrypted_sum.payloads import pack_plain
from fedbytes.federated.aggregations.encrypted_sum.places import encrypted_places
from fedbytes.federated.protocol.messages import frame_exchange

SUM = {"name": "span", "rounds": (2,), "of": "sum"}
FIXED = {"name": "fixed", "clip": 0.05, "bits": 16}


def mean_of(rows, metric):
    return float(np.mean([row[metric] for row in rows]))


def test_secure_aggregation_hides_whose_words_and_not_which(found_by):
    """The sum of three is as bare as a message while all tokens are fewer than the width."""
    masks = {"name": "secagg", "span": "agreed", "weights": "uniform"}
    options = {"rounds": 2, "clients": 3, "learning_rate": 0.1}
    (bare,) = found_by(audit=SUM, **options)
    (masked,) = found_by(audit=SUM, privacy=masks, uplink=FIXED, **options)
    for row in (bare, masked):
        assert row["client"] is None
        assert row["senders"] == row["examples"] == 3
        assert row["placed"] > row["chance_placed"] + 0.3
    alone = found_by(audit={"name": "span", "rounds": (2,), "clients": 3}, **options)
    assert mean_of(alone, "placed") >= masked["placed"] - 0.05
    assert "of" not in alone[0]
    found = make_audit(SUM).columns([bare])
    assert found["sum_leak_placed_span"] == bare["placed"]
    assert "payload_bits" not in found


def test_what_encryption_leaves_in_the_clear_tells_less_the_less_it_is(found_by):
    options = {"rounds": 2, "uplink": FIXED | {"clip": 0.5}, "learning_rate": 0.5}
    shares = (0.02, 0.9)
    rows = [
        found_by(
            audit={"name": "span", "rounds": (2,), "of": "plain", "clients": 4},
            privacy={"name": "he", "share": share, "weights": "uniform"},
            **options,
        )
        for share in shares
    ]
    most, least = rows
    assert len(most) == len(least) == 4
    assert mean_of(most, "payload_bits") > 5 * mean_of(least, "payload_bits")
    assert mean_of(most, "placed") > mean_of(most, "chance_placed") + 0.2
    assert mean_of(most, "placed") > mean_of(least, "placed")


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_plain_part_is_the_decoded_delta_where_nothing_is_encrypted(share):
    rng = np.random.default_rng(0)
    layout, link = Layout({"x": (10, 8)}), make_link({"name": "fixed", "clip": 3.0, "bits": 8})
    codec = link.codec
    last = torch.from_numpy(rng.normal(size=80).astype(np.float32))
    shared = Shared(layout, round=2, sender=1, reference=last)
    held, delta = (torch.from_numpy(rng.normal(size=80).astype(np.float32)) for _ in range(2))
    payload = codec.encode(delta, shared)
    places = encrypted_places(share, held.numpy(), shared)
    assert int(places.sum()) == round(share * 80)
    numbers = as_summable(codec).open_integers(payload, shared)[~places]
    frame = frame_exchange(pack_plain(numbers, 8), shared, "plain-part")
    found = plain_part(Heard(1, frame.pack(), shared, link), held)
    wanted = np.where(places, 0, codec.decode(payload, shared).numpy())
    assert np.allclose(found.numpy(), wanted, atol=1e-6)


def test_sums_are_refused_where_they_cannot_be_attacked(settings):
    with pytest.raises(ValueError, match="set of to message, or take span"):
        make_audit("invert", of="sum")
    late = settings | {"rounds": 4, "evaluate_every": 2, "audit": SUM | {"rounds": [3]}}
    with pytest.raises(ValueError, match="change rounds or evaluate_every"):
        make_config(late)
    with pytest.raises(ValueError, match="reads each client's delta"):
        make_federation({"name": "span"}, uplink=FIXED, privacy="secagg")
