"""Which labels a client holds can be told from its update, and not from one that has nothing."""

import numpy as np
import pytest

from fedbytes.audits.property_parts.update_classifier import UpdateClassifier, stratified_area
from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated import Hooks, Simulation
from fedbytes.streams import stream

AUDIT = {"name": "properties", "simulated": 30, "texts": 12, "axes": 6, "least": 0.2}


def audited(settings, seed, **uplink):
    split = {"name": "dirichlet", "alpha": 0.3, "num_clients": 8, "min_size": 6,
             "on_small": "repair"}  # fmt: skip
    fields = {"partition": split, "clients_per_round": None, "rounds": 1, "set_aside": 0.3}
    steps = {"name": "fedavg", "local_steps": 6, "batch_size": 8, "learning_rate": 0.02}
    config = make_config(
        settings | fields | {"audit": AUDIT, "seed": seed, "algorithm": steps} | uplink
    )
    run = Simulation(make_problem(config, Hooks()).federation)
    run.run_round()
    (row,) = run.audit()
    return row


def test_messages_tell_labels(settings):
    rows = [audited(settings, seed) for seed in range(2)]
    assert np.mean([row["auc"] for row in rows]) > 0.8
    for row in rows:
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["chance"] == 0.5


def test_a_classifier_finds_what_shifts_updates_and_nothing_in_noise():
    rng = stream(0, "updates")
    axis, truth = rng.normal(size=200), rng.random((80, 2)) < 0.5
    updates = rng.normal(size=(80, 200)) + 1.5 * truth[:, :1] * axis
    fitted = UpdateClassifier.fit(updates[:60], truth[:60], 10)
    scores = np.stack([fitted.score(update) for update in updates[60:]])
    shifted = stratified_area(scores[:, :1], truth[60:, :1])
    nothing = stratified_area(scores[:, 1:], truth[60:, 1:])
    assert shifted > 0.95
    assert abs(nothing - 0.5) < 3 * np.sqrt(21 / (12 * 100))


def test_how_common_a_label_is_tells_nothing():
    """All have the first and none the second: the scores know, and no pair can be told apart."""
    scores = np.tile([9.0, -9.0], (5, 1))
    assert stratified_area(scores, np.tile([True, False], (5, 1))) is None
    mixed = np.array([[True, False]] * 3 + [[False, True]] * 2)
    assert stratified_area(scores, mixed) == 0.5


def test_a_task_without_labels_is_refused(settings):
    fields = {"task": {"name": "news-instruct"}, "model": {"name": "smollm2-135m"}}
    with pytest.raises(ValueError, match="infers labels, and the task is of kind causal-lm"):
        make_config(settings | fields | {"audit": "properties", "set_aside": 0.5})
