"""The algorithm in docs/add-an-algorithm.md is run as it stands there."""

import re
from pathlib import Path

import pytest
import torch

from fedbytes.cli.check_file import check_file
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, make_algorithm


@pytest.fixture(autouse=True)
def isolated():
    """Forget the page's algorithm after each test."""
    with ALGORITHMS.isolated():
        yield


DOC = Path(__file__).parents[2] / "docs" / "add-an-algorithm.md"


def test_the_documented_algorithm_trains_and_is_fedavg_without_its_term(make_run):
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    exec(compile(code, str(DOC), "exec"), {"__name__": "documented"})
    fields = {"local_steps": 3, "learning_rate": 0.1}
    none, some = (make_algorithm("my-fedprox", mu=mu, **fields) for mu in (0.0, 5.0))
    plain = make_algorithm("fedavg", optimizer="sgd", **fields)
    finals = [make_run(3, algorithm=a).go(5).state.model for a in (plain, none, some)]
    start = make_run(3).state.model
    torch.testing.assert_close(finals[0], finals[1])
    assert torch.dist(finals[2], start) < 0.9 * torch.dist(finals[1], start)


def test_the_documented_algorithm_passes_the_check_of_its_file(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    file = tmp_path / "checked.py"
    file.write_text(code)
    assert check_file(file) == 0
    file = tmp_path / "impure.py"
    impure = code.replace("model.set_state(start)", "model.set_state(start.mul_(2.0))")
    file.write_text(impure)
    assert check_file(file) == 1


def test_an_algorithm_that_says_nowhere_what_a_client_does_is_refused():
    with pytest.raises(TypeError, match="Idle defines neither client nor train"):

        class Idle(Algorithm):
            def server(self, uploads, state):
                return torch.zeros(1), state
