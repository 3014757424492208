"""The majority vote: by hand, and in a federated run through codecs of signs."""

import pytest
import torch

from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Upload
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.protocol.link import make_link


def _vote(*deltas: list[float], **fields: float) -> list[float]:
    uploads = [
        Upload(c, torch.tensor(d, dtype=torch.float32), examples=10**c)
        for c, d in enumerate(deltas)
    ]
    algorithm = make_algorithm("majority_vote", local_steps=1, **fields)
    return algorithm.server(uploads, {})[0].tolist()


def test_the_majority_decides_the_sign_and_the_mean_magnitude_the_size():
    assert _vote([1, 1, -1], [1, -1, -1], [1, -1, 1]) == [1, -1, -1]
    assert _vote([2, 8], [4, -1], [6, -3]) == [4, -4]


def test_a_tie_is_zero_and_a_zero_abstains():
    assert _vote([1, 3, 0], [-1, 0, 0]) == [0, 1.5, 0]


def test_the_server_learning_rate_is_the_step():
    assert _vote([1, -1], [1, -1], server_learning_rate=0.25) == [0.25, -0.25]


@pytest.mark.parametrize(
    ("spec", "rate"),
    [("signsgd", 0.03), ({"name": "sign", "error_feedback": True}, 1.0)],
    ids=str,
)
def test_a_vote_of_sign_bits_learns(make_run, spec, rate):
    algorithm = make_algorithm(
        "majority_vote", local_steps=3, learning_rate=0.05, server_learning_rate=rate
    )
    run = make_run(5, uplink=make_link(spec), algorithm=algorithm)
    run.fed.model.set_state(run.state.model)
    before = run.fed.model.accuracy()
    run.go(30)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > max(before + 0.3, 0.85)
    up = [e.payload_bytes for e in run.ledger.entries if e.kind == "delta" and e.direction == "up"]
    assert max(up) < run.fed.layout.numel / 8 + 16


@pytest.mark.parametrize("secret", [False, True], ids=["sums", "masked"])
def test_the_vote_is_the_same_where_the_server_sees_its_sum_alone(make_run, secret):
    algorithm = make_algorithm(
        "majority_vote", local_steps=2, learning_rate=0.05, server_learning_rate=0.03
    )
    fields = {"algorithm": algorithm, "uplink": make_link("signsgd")}
    plain = make_run(5, **fields).go(3)
    if secret:
        fields["plugins"] = make_plugins(privacy="secagg")
    else:
        fields["aggregation"] = make_aggregation("sum_then_decode")
    assert torch.equal(make_run(5, **fields).go(3).state.model, plain.state.model)


def test_sums_of_other_codecs_are_no_vote(make_run):
    algorithm = make_algorithm("majority_vote", local_steps=2)
    with pytest.raises(ValueError, match="needs each client's upload"):
        make_run(
            5,
            algorithm=algorithm,
            uplink=make_link("fixed"),
            aggregation=make_aggregation("sum_then_decode"),
        )
