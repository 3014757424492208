"""A protocol is declared before the runs, checked against them, and no part of their ids."""

import pytest
import yaml

from fedbytes.experiments.config.declaration.protocol import Protocol, read_protocol
from fedbytes.experiments.config.method_name import method_name
from fedbytes.experiments.config.suite_file import load_suite

FP32 = {"name": "fp32"}
INT8 = {"name": "int", "bits": 8}


@pytest.fixture
def changed(suite_file):
    """Write the suite with other fields, and return it."""

    def change(**fields):
        content = yaml.safe_load(suite_file.read_text()) | fields
        suite_file.write_text(yaml.safe_dump(content))
        return load_suite(str(suite_file))

    return change


def test_it_changes_no_id_and_reaches_every_run(suite_file, changed):
    before = {run.id for run in load_suite(str(suite_file)).expand()}
    suite = changed(protocol={"margin": 0.01, "targets": [0.8, 0.9], "seeds": [0, 1]})
    runs = suite.expand()
    assert {run.id for run in runs} == before
    stated = [run.declared["protocol"] for run in runs]
    assert all(one == stated[0] for one in stated)
    assert stated[0]["sha256"] == suite.protocol.digest
    assert suite.target == 0.8
    assert "overrides" not in stated[0]


def test_its_digest_is_that_of_what_is_declared():
    one = Protocol(margin=0.005, targets=(0.9,))
    assert one.digest == read_protocol({"targets": 0.9, "margin": 0.005}).digest
    assert one.digest != Protocol(margin=0.006, targets=(0.9,)).digest


def test_overrides_that_change_numbers_are_put_down(changed):
    suite = changed(protocol={"seeds": [0, 1]})
    (run,) = suite.expand(["seed=0", "codec=fp32", "checkpoint_every=2"])
    assert run.declared["protocol"]["overrides"] == ["seed=0", "codec=fp32"]
    for harmless in ("checkpoint_every=2", "workers_per_run=2"):
        assert "overrides" not in suite.expand([harmless])[0].declared["protocol"]


def test_the_control_is_the_baseline_with_another_order_of_batches(changed):
    runs = changed(protocol={"control": True}).expand()
    again = [run for run in runs if run.batch_stream]
    assert [method_name(run) for run in again] == ["fp32 again"] * 2
    assert len({run.id for run in runs}) == 6
    plain = {run.seed: run for run in runs if method_name(run) == "fp32"}
    for run in again:
        assert run.model_copy(update={"batch_stream": 0}) == plain[run.seed]


def test_fields_of_the_suite_join_the_protocol(changed):
    suite = changed(baseline="fp32", target=0.7, protocol={"margin": 0.01})
    assert (suite.protocol.baseline, suite.protocol.targets) == ("fp32", (0.7,))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"protocol": {"margin": 0}}, "margin: must be above 0"),
        ({"protocol": {"margin": float("nan")}}, "margin: must be above 0"),
        ({"protocol": {"sede": [0]}}, "there is no field 'sede'; did you mean 'seeds'"),
        ({"protocol": {"seeds": [0]}}, "one seed shows nothing"),
        ({"protocol": {"seeds": [0, 0]}}, "a seed stands twice"),
        ({"protocol": {"final": "first"}}, "final: must be last, or last3"),
        ({"protocol": {"targets": ["high"]}}, "target must be a number"),
        (
            {"protocol": {"metric": "accuracy", "targets": [83]}},
            "protocol.targets: accuracy lies between 0 and 1, got 83: write 0.83",
        ),
        ({"protocol": [1]}, "protocol must be a dict"),
        ({"protocol": {"seeds": [0, 1, 2]}}, "'fp32' runs with seeds 0, 1 and not with 0, 1, 2"),
        ({"protocol": {}, "grid": {"codec": [FP32, INT8], "seed": [3]}}, "one seed \\(3\\)"),
        ({"protocol": {}, "grid": {"codec": [INT8], "seed": [0, 1]}}, "no method sends fp32"),
        ({"protocol": {"baseline": "nf4"}}, "no method is called 'nf4' \\(known: fp32; "),
        ({"protocol": {"targets": [0.9]}, "target": 0.8}, "target stands in the protocol as well"),
        (
            {"protocol": {}, "grid": {}, "variants": [
                {"codec": FP32, "seed": 0}, {"codec": FP32, "seed": 1}, {"codec": INT8, "seed": 0},
            ]},
            "'int' runs with seeds 0 and not with 0, 1",
        ),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_one_that_cannot_be_kept_is_refused_in_one_line(changed, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        changed(**fields).expand()
    assert "\n" not in str(caught.value)


def test_methods_of_one_label_are_called_as_in_the_tables(changed):
    suite = changed(
        base=yaml.safe_load(yaml.safe_dump(dict(changed().base))) | {"label": "mine"},
        protocol={"baseline": "mine · fp32", "control": True},
    )
    again = [run for run in suite.expand() if run.batch_stream]
    assert {run.uplink["name"] for run in again} == {"fp32"}
    with pytest.raises(ValueError, match="no method is called 'mine'"):
        changed(protocol={"baseline": "mine"}).expand()
