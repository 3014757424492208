"""Plans: what is to be made, in which order, and when a store keeps the one that it has."""

import json
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import make_config
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines import plan_file
from fedbytes.experiments.engines.plan_file import (
    model_key,
    read_sweep_plan,
    rough_cost,
    write_sweep_plan,
)
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import read_sealed, write_sealed


@pytest.fixture
def configs(settings: dict[str, Any]) -> list[RunConfig]:
    """Of two kinds of texts by turns, in an order in which no worker should take them."""
    tasks = [settings["task"] | {"max_length": length} for length in (16, 32)]
    return [
        make_config(settings | {"seed": seed, "rounds": rounds, "task": tasks[seed % 2]})
        for seed, rounds in enumerate((2, 4, 3, 8, 9))
    ]


def test_a_plan_comes_back_as_it_was_written(configs: list[RunConfig], tmp_path: Path) -> None:
    declared = configs[0].model_copy(update={"declared": {"protocol": {"final": "last3"}}})
    written = write_sweep_plan(tmp_path, "tiny", [declared, *configs[1:]])
    found = read_sweep_plan(tmp_path)
    assert found.runs == written.runs
    assert found.runs[0].declared == declared.declared
    assert found.costs == written.costs
    assert found.left(tmp_path) == [config.id for config in configs]
    before = (tmp_path / "plan.json").read_bytes()
    write_sweep_plan(tmp_path, "tiny", [declared, *configs[1:]])
    assert (tmp_path / "plan.json").read_bytes() == before


def test_the_longest_come_first_and_those_of_a_model_together(
    configs: list[RunConfig], tmp_path: Path
) -> None:
    plan = write_sweep_plan(tmp_path, "tiny", configs)
    assert [config.rounds for config in plan.order] == [9, 3, 2, 8, 4]
    assert len({model_key(config) for config in plan.order[:3]}) == 1
    measured = {config.id: float(config.seed) for config in configs} | {configs[3].id: 99.0}
    plan = write_sweep_plan(tmp_path, "tiny", configs, measured)
    assert [config.rounds for config in plan.order] == [8, 4, 9, 3, 2]


def test_what_a_run_costs_roughly_is_its_examples(settings: dict[str, Any]) -> None:
    assert rough_cost(make_config(settings)) == 4 * 2 * 2 * 8  # rounds, clients, steps, batch
    assert rough_cost(make_config(settings | {"clients_per_round": None})) == 4 * 4 * 2 * 8


def test_what_was_measured_is_kept(
    configs: list[RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {config.id: rough_cost(config) / 100 for config in configs[:4]}
    write_sweep_plan(tmp_path, "tiny", configs[:4], measured)
    before = (tmp_path / "plan.json").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write_sweep_plan(tmp_path, "tiny", configs[:4])
    assert (tmp_path / "plan.json").read_bytes() == before
    plan = write_sweep_plan(tmp_path, "tiny", configs)  # what is new, roughly in the same unit
    assert plan.costs[configs[0].id] == measured[configs[0].id]
    assert plan.costs[configs[4].id] == pytest.approx(rough_cost(configs[4]) / 100)
    assert write_sweep_plan(tmp_path, "tiny", configs, replace=True).folder == Path.cwd()


def test_a_second_plan_does_not_lose_runs_of_the_first(
    configs: list[RunConfig], tmp_path: Path
) -> None:
    write_sweep_plan(tmp_path, "tiny", configs[:2])
    write_sweep_plan(tmp_path, "tiny", configs[:3])  # more is no loss
    with pytest.raises(ValueError, match=r"plan of suite 'tiny' with 2 of 3 runs left") as refused:
        write_sweep_plan(tmp_path, "other", configs[2:])
    assert configs[0].id in str(refused.value)
    assert "\n" not in str(refused.value)
    for config in configs[:2]:  # they end, and none is left
        RunFolder(tmp_path, config.id).fail("for a reason", "")
    write_sweep_plan(tmp_path, "other", configs[2:])
    with pytest.raises(ValueError, match="--replace"):
        write_sweep_plan(tmp_path, "tiny", configs[:2])
    assert len(write_sweep_plan(tmp_path, "tiny", configs[:2], replace=True).runs) == 2


def test_what_is_no_plan_of_this_fedbytes_is_refused(
    configs: list[RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"there is no plan in .*`fedbytes plan SUITE --out"):
        read_sweep_plan(tmp_path)
    write_sweep_plan(tmp_path, "tiny", configs)
    with monkeypatch.context() as patch:
        patch.setattr(plan_file, "PACKAGE_VERSION", "9.9.9")
        with pytest.raises(ValueError, match=r"planned by fedbytes .* this is fedbytes 9\.9\.9"):
            read_sweep_plan(tmp_path)
    path = tmp_path / "plan.json"
    content = read_sealed(path)
    content["runs"][0]["config"]["rounds"] = 77
    write_sealed(path, content)
    with pytest.raises(ValueError, match="use the code that planned it"):
        read_sweep_plan(tmp_path)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"plan\.json is altered .*`fedbytes plan` writes it"):
        read_sweep_plan(tmp_path)
    write_sweep_plan(tmp_path, "tiny", configs)
    assert len(read_sweep_plan(tmp_path).runs) == len(configs)
