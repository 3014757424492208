"""How far clients agree, against the definitions."""

import numpy as np
import pytest
import torch

from fedbytes.federated.hooks import Upload
from fedbytes.federated.server.delta_geometry import delta_geometry


def measured(*deltas, examples=None):
    weights = examples or [1] * len(deltas)
    return delta_geometry(
        [
            Upload(client, torch.as_tensor(delta, dtype=torch.float32), weight)
            for client, (delta, weight) in enumerate(zip(deltas, weights, strict=True))
        ]
    )


def test_equal_orthogonal_and_opposite():
    assert measured([3.0, 4.0], [3.0, 4.0]) == pytest.approx(
        {"delta_cosine": 1, "delta_diversity": 0.5, "delta_norm": 5, "delta_mean_norm": 5}
    )
    apart = measured([2.0, 0.0], [0.0, 2.0])
    assert apart["delta_cosine"] == pytest.approx(0, abs=1e-6)
    assert apart["delta_diversity"] == pytest.approx(1)
    against = measured([1.0, 0.0], [-1.0, 0.0])
    assert against["delta_cosine"] == pytest.approx(-1)
    assert against["delta_mean_norm"] == 0
    assert "delta_diversity" not in against


def test_against_the_gram_matrix():
    rng = np.random.default_rng(0)
    deltas = rng.normal(size=(7, 500)) + 0.3 * rng.normal(size=500)
    examples = rng.integers(1, 90, size=7).tolist()
    found = measured(*deltas, examples=examples)
    gram = deltas @ deltas.T
    norms = np.sqrt(np.diag(gram))
    cosines = (gram / np.outer(norms, norms))[~np.eye(7, dtype=bool)]
    weights = np.array(examples) / sum(examples)
    assert found == pytest.approx(
        {
            "delta_cosine": cosines.mean(),
            "delta_diversity": np.trace(gram) / gram.sum(),
            "delta_norm": weights @ norms,
            "delta_mean_norm": np.linalg.norm(weights @ deltas),
        },
        rel=1e-4,
    )


def test_clients_that_send_nothing():
    alone = measured([1.0, 1.0], [0.0, 0.0])
    assert "delta_cosine" not in alone
    assert alone["delta_diversity"] == pytest.approx(1)
    assert measured([0.0, 0.0], [0.0, 0.0]) == {"delta_norm": 0.0, "delta_mean_norm": 0.0}
    three = measured([1.0, 1.0], [0.0, 0.0], [1.0, 1.0])
    assert three["delta_cosine"] == pytest.approx(1)


def test_uploads_stay_as_they_are():
    delta = torch.ones(5)
    delta_geometry([Upload(0, delta, 3), Upload(1, 2 * delta, 1)])
    assert torch.equal(delta, torch.ones(5))


def test_the_round_reports_it(make_run):
    run = make_run(4)
    report = run.run_round()
    found = report.agreement
    assert set(found) == {"delta_cosine", "delta_diversity", "delta_norm", "delta_mean_norm"}
    # Clients of equal size: the norm of their mean is what the model moved by.
    moved = run.state.model - run.fed.model.draw_initial(run.fed.seed)
    assert found["delta_mean_norm"] == pytest.approx(float(moved.norm()), rel=1e-4)
    assert found["delta_norm"] >= found["delta_mean_norm"]
