"""A suite says what it means: no run, label or setting of it is lost without a word."""

import sys

import pytest
import yaml

from fedbytes.cli.app import main
from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.config.suite_file import Suite, load_suite

SLOW, FAST = {"algorithm.learning_rate": 0.001}, {"algorithm.learning_rate": 0.01}


@pytest.fixture
def changed(suite_file):
    """Write the suite with other fields, and return its path."""

    def change(**fields):
        content = yaml.safe_load(suite_file.read_text()) | fields
        suite_file.write_text(yaml.safe_dump(content))
        return str(suite_file)

    return change


@pytest.mark.parametrize(
    ("variants", "grid", "message"),
    [
        ([{"label": "A", **SLOW}, {"label": "B", **SLOW}], {}, "label 'A' and label 'B' are the"),
        ([{"label": "A", **SLOW}, SLOW], {}, "label 'A' and variant 2 are the same run"),
        ([SLOW, FAST, SLOW], {}, "variant 1 and variant 3 are the same run"),
        ([{"label": "A", **SLOW}] * 2, {}, "label 'A' (variant 1) and label 'A' (variant 2)"),
        ([{}], {"label": ["A", "B"]}, "label 'A' and label 'B' are the same run"),
        ([{}], {"checkpoint_every": [1, 5]}, "checkpoint_every=1 and variant 1 with checkpoint_"),
    ],
)
def test_variants_that_are_one_run_are_refused_by_name(changed, variants, grid, message):
    with pytest.raises(ValueError) as caught:
        load_suite(changed(variants=variants, grid={"seed": [0, 1]} | grid)).expand()
    assert message in str(caught.value)
    assert "remove one" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_override_may_make_variants_alike_that_have_no_labels(changed):
    suite = load_suite(changed(variants=[SLOW, FAST], grid={}))
    assert len(suite.expand()) == 2
    assert len(suite.expand(["algorithm.learning_rate=0.1"])) == 1
    labelled = load_suite(changed(variants=[{"label": "A"} | SLOW, {"label": "B"} | FAST]))
    with pytest.raises(ValueError, match=r"the same run, given algorithm\.learning_rate=0\.1 "):
        labelled.expand(["algorithm.learning_rate=0.1"])
    assert len(labelled.expand(["algorithm.learning_rate=0.1", "label=C"])) == 1


def test_one_plugin_file_needs_no_list(changed, suite_file):
    assert load_suite(changed(plugins="my_codec.py")).plugins == (
        str(suite_file.parent / "my_codec.py"),
    )
    assert load_suite(changed(plugins=[])).plugins == ()
    for wrong in ({"a": 1}, [1], [["m.py"]], 3, [""]):
        with pytest.raises(ValueError, match="plugins must be a list of files, such as"):
            load_suite(changed(plugins=wrong))


@pytest.mark.parametrize(
    "name",
    ["../../elsewhere", "a/b", "/tmp/x", "a\\b", "a\0b", ".hidden", "..", "a..b", "é" * 101, "",
     " ", "a\nb", 7, True, None, ["a"]],
)  # fmt: skip
def test_a_name_that_is_no_folder_of_its_own_is_refused(changed, name):
    with pytest.raises(ValueError, match="name") as caught:
        load_suite(changed(name=name))
    assert "\n" not in str(caught.value)
    if isinstance(name, str):
        with pytest.raises(ValueError, match="cannot be that of a folder"):
            make_config({"suite": name})
        with pytest.raises(ValueError, match="cannot be that of a folder"):
            Suite(name).expand()


@pytest.mark.parametrize("name", ["a.b", "é" * 100, "mine 2", "x-1_y"])
def test_other_names_are_taken(changed, name):
    assert load_suite(changed(name=name)).name == name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bas": {}}, "did you mean 'base'"),
        ({"base": {"partition": {"name": "iid", "num_client": 3}}}, "did you mean 'num_clients'"),
        ({"base": {"partition": {"name": "iid", "grops": "x"}}}, "did you mean 'groups'"),
        ({"base": {"task": {"nam": "reuters-r8"}}}, "did you mean 'name' for 'nam'"),
        (
            {"base": {"codec": {"density": 0.1}}},
            "name the one that is to have density: chunked_topk, dgc",
        ),
        ({"base": {"codec": {"densty": 0.1}}}, "0.1}; its name is missing"),
        ({"base": {"model": {"devic": "cpu"}}}, "did you mean 'device'"),
        ({"grid": {"uplink.eror_feedback": [True]}}, "did you mean 'error_feedback'"),
        ({"grid": {"codec": [{"name": "topk", "densty": 1}]}}, "did you mean 'density'"),
        ({"grid": {"codec": [{"name": "rules", "rules": [{"mtch": "x"}]}]}}, "mean 'match'"),
        ({"grid": {"partition.alhpa": [1]}}, "did you mean 'alpha'"),
        ({"variants": [{"algorithm.lerning_rate": 1}]}, "did you mean 'learning_rate'"),
        ({"variants": [{"labl": "A"}]}, "did you mean 'label'"),
        ({"variants": ["A"]}, "variant 1 must be a dict of settings, got 'A'"),
        ({"title": 7}, "title must be text, got 7"),
        ({"grid": None}, "grid must be a dict"),
        ({"base": {"rounds": True}}, "rounds must be a whole number, got true"),
    ],
    ids=str,
)
def test_a_mistake_at_any_depth_is_named_with_the_nearest_right_word(changed, fields, message):
    with pytest.raises(ValueError) as caught:
        load_suite(changed(**{"grid": {}} | fields)).expand()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("base:\n  rounds: 1\n  rounds: 5\n", "base.rounds stands twice, on line 2 and on line 3"),
        ("base: {rounds: 010}\n", "line 1: 010 is 8 in YAML 1.1"),
        ("base:\n  evaluate_start: yes\n", "line 2: yes is true in YAML 1.1"),
        ("name: ../x\n", "the name '../x' cannot be that of a folder"),
    ],
)
def test_the_command_line_says_it_in_one_line_and_exits_with_2(
    tmp_path, monkeypatch, capsys, lines, message
):
    path = tmp_path / "mine.yaml"
    path.write_text(lines)
    monkeypatch.setattr(sys, "argv", ["fedbytes", "sweep", str(path), "--dry-run"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1
