"""`fedbytes.sweep`, `run`, `load`, `plot` and `partition`, as a notebook calls them."""

import subprocess
import sys

import pytest
import yaml

import fedbytes
from fedbytes.experiments import Suite, make_config
from fedbytes.notebooks.chosen_runs import choose_runs


@pytest.fixture
def small(settings):
    return settings | {"rounds": 1, "clients_per_round": 2}


def test_suites_files_dicts_and_settings_stand_for_the_same_runs(small, tmp_path):
    content = {"name": "mine", "base": small, "grid": {"seed": [0, 1]}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    ids = [config.id for config in choose_runs(path, None, {})[1]]
    assert len(set(ids)) == 2
    for source in (str(path), content, Suite("mine", base=small, grid={"seed": [0, 1]})):
        assert [config.id for config in choose_runs(source, None, {})[1]] == ids
    assert [config.id for config in choose_runs(small | {"seed": [0, 1]}, None, {})[1]] == ids
    assert [config.id for config in choose_runs(small, {"seed": [0, 1]}, {})[1]] == ids
    assert [config.id for config in choose_runs(small, None, {"seed": [0, 1]})[1]] == ids


def test_a_shipped_suite_is_known_by_name_and_settings_replace_its_own():
    _, configs = choose_runs("quickstart", {"partition.alpha": 0.5, "codec": "bf16"}, {"seed": 7})
    (config,) = configs
    assert (config.seed, config.partition["alpha"], config.uplink["name"]) == (7, 0.5, "bf16")


def test_a_configuration_is_one_run_and_takes_no_changes(small):
    config = make_config(small)
    assert choose_runs(config, None, {})[1] == [config]
    with pytest.raises(ValueError, match="rounds would change it"):
        choose_runs(config, None, {"rounds": 2})


def test_a_sweep_returns_its_store_which_loads_and_is_not_made_twice(small, tmp_path, capsys):
    store = fedbytes.sweep(
        small, {"codec": ["fp32", "bf16"]}, store=tmp_path / "s", workers=1, seed=3
    )
    frame = fedbytes.load(store)
    assert sorted(frame["codec"]) == ["bf16", "fp32"]
    assert set(frame["seed"]) == {3}
    assert "2 of 2 runs to make" in capsys.readouterr().out
    fedbytes.sweep(small, {"codec": ["fp32", "bf16"], "seed": 3}, store=store, progress=False)
    assert capsys.readouterr().out == ""


def test_a_run_is_made_here_with_what_is_defined_here(small, tmp_path):
    from dataclasses import dataclass

    from fedbytes.compression import CODECS

    with CODECS.isolated():

        @CODECS.register("cell-fp32")
        @dataclass(frozen=True)
        class InACell(CODECS.get("fp32")):
            """Mine."""

        folder = fedbytes.run(small, codec="cell-fp32", store=tmp_path, progress=False)
    assert folder.status == "done"
    (row,) = fedbytes.load(tmp_path).to_dict("records")
    assert row["codec"] == "cell-fp32"
    shown = folder._repr_html_()
    assert "cell-fp32" in shown
    assert f"run {folder.run}" in shown


def test_several_runs_are_refused_where_one_is_meant(small):
    with pytest.raises(ValueError, match="these are 2 runs; narrow them to one"):
        fedbytes.run(small, seed=[0, 1])
    with pytest.raises(ValueError, match="have 2 partitions; narrow them"):
        fedbytes.partition(small, seed=[0, 1])


def test_a_partition_is_that_of_the_run(small, tmp_path):
    split = fedbytes.partition(small, {"partition.alpha": 0.3}, codec=["fp32", "bf16"])
    folder = fedbytes.run(small, {"partition.alpha": 0.3}, store=tmp_path, progress=False)
    assert folder.provenance()["partition"] == split.fingerprint
    assert split._repr_html_().count("<tr>") == 1 + split.num_clients


def test_mistakes_name_the_setting():
    with pytest.raises(ValueError, match="did you mean 'quickstart'"):
        fedbytes.sweep("quickstar")
    with pytest.raises(ValueError, match=r"did you mean 'algorithm\.learning_rate'"):
        fedbytes.run(lr=0.1)
    with pytest.raises(ValueError, match="suite: there is no field 'gird'"):
        fedbytes.sweep({"base": {}, "gird": {}})


def test_a_suite_shows_itself_and_escapes_what_it_holds():
    suite = Suite("s", title="<b>", base={"rounds": 3}, grid={"seed": [0, 1]})
    shown = suite._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "seed, each of" in shown


@pytest.mark.slow
def test_a_script_without_a_guard_sweeps_once(small, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import fedbytes\nprint('started')\n"
        f"fedbytes.sweep({small!r}, store={str(tmp_path / 's')!r}, workers=1, progress=False)\n"
        f"print(len(fedbytes.load({str(tmp_path / 's')!r})), 'row')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240)
    assert done.stdout == "started\n1 row\n", done.stderr


def test_the_faces_names_are_complete_and_none_loads_before_its_use():
    assert {"sweep", "run", "load", "plot", "partition"} <= set(dir(fedbytes))
    code = (
        "import sys, fedbytes; dir(fedbytes)\n"
        "assert not {'numpy', 'torch', 'pandas', 'matplotlib', 'typer'} & set(sys.modules)\n"
        "fedbytes.sweep, fedbytes.run, fedbytes.load, fedbytes.plot, fedbytes.partition\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
