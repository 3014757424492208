import pytest
import yaml

from fedbytes.experiments.config.suite_file import (
    load_suite,
    parse_override,
    set_dotted,
    shipped_suites,
)


def test_a_grid_is_the_product_of_its_axes(suite_file):
    runs = load_suite(str(suite_file)).expand()
    assert len({run.id for run in runs}) == 4
    assert {(run.uplink["name"], run.seed) for run in runs} == {
        (codec, seed) for codec in ("fp32", "topk") for seed in (0, 1)
    }
    assert all(run.downlink == run.uplink for run in runs)


def test_overrides_replace_an_axis_or_reach_every_run(suite_file):
    suite = load_suite(str(suite_file))
    assert [r.seed for r in suite.expand(["seed=5"])] == [5, 5]
    assert sorted(r.seed for r in suite.expand(["seed=[5,6,7]", "codec=fp32"])) == [5, 6, 7]
    assert {r.rounds for r in suite.expand(["rounds=2"])} == {2}
    assert {r.partition["num_clients"] for r in suite.expand(["partition.num_clients=[3,5]"])} == {
        3,
        5,
    }
    assert {
        r.algorithm["learning_rate"] for r in suite.expand(["algorithm.learning_rate=1e-3"])
    } == {0.001}


def test_variants_set_several_keys_at_once(suite_file):
    content = yaml.safe_load(suite_file.read_text())
    content["variants"] = [
        {"rounds": 2, "algorithm.learning_rate": 0.1},
        {"rounds": 3, "algorithm.learning_rate": 0.2},
    ]
    suite_file.write_text(yaml.safe_dump(content))
    runs = load_suite(str(suite_file)).expand(["seed=0", "codec=fp32"])
    assert [(r.rounds, r.algorithm["learning_rate"]) for r in runs] == [(2, 0.1), (3, 0.2)]


def test_runs_that_are_the_same_are_made_once(suite_file):
    runs = load_suite(str(suite_file)).expand(["seed=[3,3]", "codec=fp32"])
    assert len(runs) == 1


@pytest.mark.parametrize("name", list(shipped_suites()))
def test_shipped_suites_expand(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.title
    assert suite.expand()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gird": {}}, "did you mean 'grid'"),
        ({"grid": {"seed": []}}, "expands to no run: seed has no values"),
        ({"grid": {"seed": 3}}, "grid.seed must be a list"),
        ({"grid": [1]}, "grid must be a dict"),
        ({"base": {"rouns": 3}, "grid": {}}, "did you mean 'rounds'"),
        ({"grid": {"uplink.densty": [0.1]}}, "has no field 'densty'"),
        ({"grid": {"seed.x": [0.1]}, "base": {"seed": 3}}, "'seed' is 3, which has no fields"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_a_suite_that_cannot_be_is_refused_in_one_line(suite_file, change, message):
    content = yaml.safe_load(suite_file.read_text()) | change
    suite_file.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=message) as caught:
        load_suite(str(suite_file)).expand()
    assert "\n" not in str(caught.value)


def test_unknown_suites_and_broken_files(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'quickstart'"):
        load_suite("quickstrat")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(ValueError, match=r"broken\.yaml"):
        load_suite(str(broken))


def test_overrides_are_yaml():
    assert parse_override("a.b=[1, 2]") == ("a.b", [1, 2])
    assert parse_override("uplink={name: topk, density: 0.1}")[1]["density"] == 0.1
    with pytest.raises(ValueError, match="expected key=value, got 'rounds'"):
        parse_override("rounds")


def test_naming_another_component_keeps_the_default_fields_that_it_has():
    fields: dict[str, object] = {}
    for key, value in {
        "adapter.name": "head",
        "partition.name": "iid",
        "algorithm.name": "fedprox",
        "task.name": "friends",
    }.items():
        set_dotted(fields, key, value)
    assert fields["adapter"] == {"name": "head"}
    assert fields["partition"] == {"name": "iid", "num_clients": 10}
    assert fields["algorithm"] == {"name": "fedprox", "local_steps": 4}
    assert fields["task"] == {"name": "friends", "max_length": 24}


def test_a_file_among_files_by_client_has_no_fields() -> None:
    fields = {"task": {"name": "file", "path": "n.csv"}}
    with pytest.raises(ValueError, match=r"task\.path\.a: 'path' is 'n\.csv', which has no fields"):
        set_dotted(fields, "task.path.a", "s.csv")
