"""Seconds over a link, against sums made by hand."""

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots.break_even_rate import break_even_rate
from fedbytes.plots.link_time.break_even import measure_break_even
from fedbytes.plots.link_time.computing_seconds import without_waiting
from fedbytes.plots.link_time.link import NAMED_LINKS, NetworkLink, make_links, wire_bits
from fedbytes.plots.link_time.round_time import ComputeSeconds, round_seconds
from fedbytes.plots.tables.store_tables import Tables

COMPUTE = ComputeSeconds(train=2.0, aggregate=0.25)


def message(client, direction, size, encode=0.0, decode=0.0, kind="delta", round_=1):
    return {
        "round": round_,
        "client": client,
        "direction": direction,
        "kind": kind,
        "message_bytes": size,
        "encode_seconds": encode,
        "decode_seconds": decode,
    }


def on_wire(size):
    return 8 * (size + 78 * -(-size // 1448))


def test_bits_on_the_wire_count_segments():
    assert wire_bits([0, 1, 1448, 1449]).tolist() == [0, 632, 12208, 12840]


def test_a_round_lasts_until_its_slowest_client_is_heard():
    ledger = pd.DataFrame(
        [
            message(0, "down", 10_000, encode=0.5, decode=0.1, kind="update"),
            message(1, "down", 10_000, decode=0.1, kind="update"),
            message(0, "up", 1_000, encode=0.2, decode=0.05),
            message(0, "up", 52, kind="metrics"),
            message(1, "up", 500_000, encode=0.3, decode=0.06),
        ]
    )
    link = NetworkLink("slow", up=1, down=8, rtt=100)
    (seconds,) = round_seconds(ledger, link, COMPUTE)
    slowest = 0.05 + on_wire(10_000) / 8e6 + 0.1 + 2 + 0.3 + 0.05 + on_wire(500_000) / 1e6
    server = 0.05 + 0.06 + 0.5 + 0.25
    assert seconds == pytest.approx(slowest + server)
    slower = round_seconds(ledger, link, ComputeSeconds(2.0, 0.25, slower=3)).iloc[0]
    assert slower == pytest.approx(seconds + 2 * (0.1 + 2 + 0.3))


def test_a_client_may_have_a_link_of_its_own():
    rows = [message(client, "up", 100_000) for client in (0, 1)]
    fast, slow = NetworkLink("fast", 100, 100), NetworkLink("slow", 1, 1, 20)
    (seconds,) = round_seconds(pd.DataFrame(rows), fast, COMPUTE, {1: slow})
    assert seconds == pytest.approx(2 + 0.01 + on_wire(100_000) / 1e6 + 0.25)


def test_the_servers_own_line_carries_all_clients():
    rows = [message(client, "up", 100_000) for client in range(10)]
    link = NetworkLink("", 100, 100)
    alone = round_seconds(pd.DataFrame(rows), link, COMPUTE).iloc[0]
    shared = round_seconds(pd.DataFrame(rows), link.at(server=100), COMPUTE).iloc[0]
    assert shared - alone == pytest.approx(9 * on_wire(100_000) / 100e6)


def test_a_multicast_is_heard_by_all_and_crosses_the_servers_line_once():
    own = [message(client, "up", 1_000) for client in range(3)]
    common = message(-1, "down", 200_000, kind="update")
    each = [message(client, "down", 200_000, kind="update") for client in range(3)]
    link = NetworkLink("", 10, 10, server=10)
    once = round_seconds(pd.DataFrame([*own, common]), link, COMPUTE).iloc[0]
    thrice = round_seconds(pd.DataFrame([*own, *each]), link, COMPUTE).iloc[0]
    assert once == pytest.approx(2.25 + 3 * on_wire(1_000) / 10e6 + on_wire(200_000) / 10e6)
    assert thrice - once == pytest.approx(2 * on_wire(200_000) / 10e6)


def test_messages_of_exchanges_wait_for_each_other():
    rows = [message(0, "up", 100, kind="exchange"), message(0, "up", 100, kind="exchange")]
    link = NetworkLink("", 10, 10, rtt=1000)
    (seconds,) = round_seconds(pd.DataFrame(rows), link, COMPUTE)
    assert seconds == pytest.approx(2 * 0.5 + 2 * on_wire(100) / 10e6 + 2.25)


@pytest.mark.parametrize("asks", [range(3), [-1]], ids=["each", "multicast"])
def test_an_exchange_is_two_more_trips_whatever_it_is_answered_by(asks):
    rows = [
        *(message(client, "down", 60, kind="update") for client in range(3)),
        *(message(client, "up", 52, kind="metrics") for client in range(3)),
        *(message(client, "down", 48, kind="exchange") for client in asks),
        *(message(client, "up", 52) for client in range(3)),
    ]  # as of sum_then_decode weighted by examples
    (seconds,) = round_seconds(pd.DataFrame(rows), NetworkLink("", 1e6, 1e6, rtt=2000), COMPUTE)
    assert seconds == pytest.approx(4 + 2.25, abs=1e-6)


def test_break_even_is_what_both_ways_take_alike():
    rate = break_even_rate(8 * 294_000, 1.5e-3)
    assert 1e6 * rate * 1.5e-3 == pytest.approx(8 * 294_000)
    assert break_even_rate(-1, 1.0) == 0
    assert break_even_rate(1, 0.0) == np.inf
    results = pd.DataFrame({"run": ["a", "b"], "codec": ["fp32", "small"]})
    ledger = pd.DataFrame(
        [
            {"run": "a"} | message(0, "up", 1448, encode=0.001),
            {"run": "b"} | message(0, "up", 100, encode=0.002, decode=0.003),
        ]
    )
    found = measure_break_even(results, ledger, "fp32")
    assert found["small"] == pytest.approx((on_wire(1448) - on_wire(100)) / 0.004 / 1e6)
    assert measure_break_even(results, ledger, "absent").empty


def test_waiting_for_other_programs_is_left_out():
    ledger = pd.DataFrame(
        [
            {"run": "busy"} | message(0, "up", 100, encode=0.4, decode=0.2),
            {"run": "threads"} | message(0, "up", 100, encode=0.4, decode=0.2),
            {"run": "old"} | message(0, "up", 100, encode=0.4, decode=0.2),
        ]
    )
    wall = {"seconds_train": 8.0, "seconds_encode": 0.4, "seconds_decode": 0.2}
    runs = pd.DataFrame(
        [
            {"run": "busy", **{f"process_{k}": v / 4 for k, v in wall.items()}} | wall,
            {"run": "threads", **{f"process_{k}": v * 2 for k, v in wall.items()}} | wall,
            {"run": "old"} | wall,
        ]
    )
    nothing = pd.DataFrame()
    found = without_waiting(Tables(nothing, ledger, nothing, runs))
    assert found.runs["seconds_train"].tolist() == [2.0, 8.0, 8.0]
    assert found.ledger["encode_seconds"].tolist() == pytest.approx([0.1, 0.4, 0.4])
    assert found.ledger["decode_seconds"].tolist() == pytest.approx([0.05, 0.2, 0.2])
    again = without_waiting(found)
    pd.testing.assert_frame_equal(again.ledger, found.ledger)
    assert ledger["encode_seconds"].tolist() == [0.4] * 3


@pytest.mark.parametrize(
    "fields", [{"up": 0}, {"down": -1}, {"up": float("nan")}, {"rtt": -1}, {"server": 0}]
)
def test_rates_that_are_none_are_refused(fields):
    with pytest.raises(ValueError, match="link 'x'"):
        NetworkLink("x", **{"up": 1, "down": 1} | fields)


def test_links_are_found_by_name():
    assert make_links("4g, ADSL") == [NAMED_LINKS["4g"], NAMED_LINKS["adsl"]]
    with pytest.raises(ValueError, match="'fiber'; did you mean 'fibre'"):
        make_links("fiber")
    with pytest.raises(ValueError, match="names no link"):
        make_links(" ,")
