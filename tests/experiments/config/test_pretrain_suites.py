"""The suites of pre-training: every method of theirs can be joined with its links."""

import pytest

from fedbytes.experiments.config.suite_file import load_suite


@pytest.mark.parametrize("name", ["pretrain", "pretrain-large"])
def test_runs_of_one_seed_take_the_same_steps_and_differ_in_method_or_link(name):
    configs = [config for config in load_suite(name).expand() if config.seed == 0]
    steps = {c.rounds * c.algorithm.get("local_steps", 1) for c in configs}
    assert len(steps) == 1
    rows = {c.algorithm["batch_size"] for c in configs}
    assert len(rows) == 1
    scheduled = [c.algorithm["total_steps"] for c in configs if "total_steps" in c.algorithm]
    assert set(scheduled) == steps
    methods = {c.algorithm["name"] for c in configs}
    assert methods >= {"fedavg", "diloco", "streaming_diloco", "sparseloco", "demo"}
    assert len({c.id for c in configs}) == len(configs)
