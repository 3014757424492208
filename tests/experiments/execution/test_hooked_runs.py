"""Runs with Python hooks: named in the provenance, and never taken for another run."""

import functools
import json

import pytest

from fedbytes.experiments import load_results, make_config, run, sweep
from fedbytes.experiments.execution.events import Advanced
from fedbytes.federated import Hooks

CALLS = []


def halve(delta, context):
    CALLS.append(context.round)
    return delta / 2


def keep_all(uploads, context):
    return uploads


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut(event):
    if isinstance(event, Advanced) and event.round == 1:
        raise CutError


@pytest.fixture
def config(settings):
    return make_config(settings | {"rounds": 2})


HOOKS = Hooks(after_client=(halve,), before_aggregate=(keep_all,))
NAMES = {"after_client": [f"{__name__}:halve"], "before_aggregate": [f"{__name__}:keep_all"]}


def test_names_go_into_provenance_and_a_column(config, tmp_path):
    folder = run(config, tmp_path, hooks=HOOKS)
    assert json.loads((folder.path / "provenance.json").read_text())["hooks"] == NAMES
    assert set(load_results(tmp_path).hooks) == {f"{__name__}:halve, {__name__}:keep_all"}
    run(config, tmp_path / "plain")
    assert "hooks" not in load_results(tmp_path / "plain")


@pytest.mark.parametrize("first", [None, HOOKS], ids=["none", "hooks"])
@pytest.mark.parametrize("ended", [True, False], ids=["finished", "cut"])
def test_a_folder_that_others_made_is_refused(config, tmp_path, first, ended):
    second = HOOKS if first is None else None
    if ended:
        run(config, tmp_path, hooks=first)
    else:
        with pytest.raises(CutError):
            run(config, tmp_path, hooks=first, on_event=cut)
    CALLS.clear()
    with pytest.raises(ValueError, match="take another store") as caught:
        run(config, tmp_path, hooks=second)
    assert "\n" not in str(caught.value)
    assert f"{__name__}:halve" in str(caught.value)
    assert not CALLS
    assert run(config, tmp_path, hooks=first).status == "done"  # the same again is taken up


def test_other_hooks_in_another_order_are_others(config, tmp_path):
    run(config, tmp_path, hooks=Hooks(before_aggregate=(keep_all,)))
    with pytest.raises(ValueError, match="was made with hooks before_aggregate"):
        run(config, tmp_path, hooks=Hooks(before_aggregate=(keep_all, keep_all)))


def test_a_sweep_says_so_and_leaves_the_folder_alone(config, tmp_path):
    folder = run(config, tmp_path, hooks=HOOKS)
    outcome = sweep([config], tmp_path, workers=1, reporter=None)
    assert "was made with hooks" in outcome.failed[config.id]
    assert folder.status == "done"


def test_a_failed_start_is_made_anew(config, tmp_path):
    def fail(data):
        raise CutError

    with pytest.raises(CutError):
        run(config, tmp_path, deliver=fail)
    CALLS.clear()
    assert run(config, tmp_path, hooks=HOOKS).status == "done"
    assert CALLS


class Scaler:
    def __call__(self, delta, context):
        return delta


def local():
    def inner(delta, context):
        return delta

    return inner


@pytest.mark.parametrize(
    "hook",
    [lambda delta, context: delta, local(), functools.partial(halve), Scaler(), Scaler().__call__],
    ids=["lambda", "local", "partial", "object", "method"],
)
def test_hooks_without_a_name_are_refused_before_anything_is_written(config, tmp_path, hook):
    with pytest.raises(ValueError, match="define it with def at the top of a module") as caught:
        run(config, tmp_path, hooks=Hooks(after_client=(hook,)))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
