"""Seconds of the wall and of the process, by phase."""

import time

import pytest

from fedbytes.federated.clock import PHASES, Clock


def test_waiting_is_of_the_wall_and_not_of_the_process() -> None:
    clock = Clock()
    with clock.phase("train"):
        time.sleep(0.05)
    with clock.phase("encode"):
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
    wall, process = clock.seconds(), clock.process_seconds()
    assert process is not None
    assert wall["train"] >= 0.05 > 0.04 > process["train"]
    assert process["encode"] >= 0.02
    assert set(wall) == set(process) == set(PHASES)


def test_a_resumed_clock_goes_on_and_says_where_it_does_not_know() -> None:
    clock = Clock({"train": 2.0, "other": 1.0}, {"train": 1.5, "other": 0.5})
    process = clock.process_seconds()
    assert process is not None
    assert (clock.seconds()["train"], process["train"]) == (2.0, 1.5)
    assert clock.seconds()["other"] >= 1.0
    assert process["other"] >= 0.5
    assert Clock({"train": 2.0}).process_seconds() is None


def test_seconds_of_other_processes_count_and_the_sum_is_still_the_run_s():
    clock = Clock()
    clock.spread("train", 3.0, 2.5, 1.75)
    seconds, process = clock.seconds(), clock.process_seconds()
    assert (seconds["train"], seconds["overlap"]) == (3.0, -1.25)
    assert process["train"] == 2.5
    assert process["other"] < 1.0
    resumed = Clock(seconds | {"other": 1.0}, process)
    assert sum(resumed.seconds().values()) == pytest.approx(2.75, abs=0.1)
