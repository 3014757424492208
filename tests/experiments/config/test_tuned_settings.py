"""A suite takes over what was chosen for each method, and says so in the provenance."""

import hashlib

import pytest
import yaml

from fedbytes.experiments.config.method_name import method_name
from fedbytes.experiments.config.suite_file import load_suite

TOPK = "topk density=0.1 +EF"


@pytest.fixture
def tuned(suite_file):
    """Write a file of choices beside the suite, and return the suite."""

    def write(choices, **fields):
        (suite_file.parent / "choices.yaml").write_text(yaml.safe_dump({"choices": choices}))
        content = yaml.safe_load(suite_file.read_text()) | {"tuned": "choices.yaml"} | fields
        suite_file.write_text(yaml.safe_dump(content))
        return load_suite(str(suite_file))

    return write


def test_each_method_gets_its_own(tuned, suite_file):
    key = "algorithm.learning_rate"
    suite = tuned({"fp32": {key: 0.5}, TOPK: {key: 0.25}}, protocol={"seeds": [0, 1]})
    runs = suite.expand()
    rates = {(method_name(run), run.algorithm["learning_rate"]) for run in runs}
    assert rates == {("fp32", 0.5), (TOPK, 0.25)}
    digest = hashlib.sha256((suite_file.parent / "choices.yaml").read_bytes()).hexdigest()
    assert runs[0].declared["tuned"] == {
        "file": "choices.yaml", "sha256": digest, "choices": {key: 0.5},
    }  # fmt: skip
    assert runs[0].declared["protocol"]["seeds"] == [0, 1]


def test_an_override_stands_above_a_choice(tuned):
    suite = tuned({"fp32": {"algorithm.learning_rate": 0.5}, TOPK: {}})
    runs = suite.expand(["algorithm.learning_rate=0.125"])
    assert {run.algorithm["learning_rate"] for run in runs} == {0.125}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"fp32": {}}, "choices.yaml has no choice for 'topk density=0.1 \\+EF'"),
        (None, "has no choices by method"),
        ({"fp32": 1}, "has no choices by method"),
        ({"fp32": {"algorithm.lerning_rate": 1}, TOPK: {}}, "has no field 'lerning_rate'"),
    ],
)
def test_what_was_not_tuned_is_refused(tuned, choices, message):
    with pytest.raises(ValueError, match=message) as caught:
        tuned(choices).expand()
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(suite_file):
    content = yaml.safe_load(suite_file.read_text()) | {"tuned": "gone.yaml"}
    suite_file.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"gone\.yaml cannot be read .*`fedbytes tune` writes it"):
        load_suite(str(suite_file))
