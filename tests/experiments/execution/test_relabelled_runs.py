"""A run that is kept goes by the label that its suite gives it now."""

import pytest
import yaml

from fedbytes.cli.sweep_runs import make_one, make_suite
from fedbytes.experiments.config.suite_file import load_suite
from fedbytes.experiments.store.results import load_results
from fedbytes.experiments.store.run_folder import RunFolder


@pytest.fixture
def labelled(settings, tmp_path):
    """Return a suite of one run and its runs, under a label."""

    def make(label):
        content = {
            "base": settings | {"rounds": 1},
            "variants": [{"label": label} if label else {}],
        }
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content))
        suite = load_suite(str(path))
        return suite, suite.expand()

    return make


def test_a_label_that_is_changed_reaches_the_finished_run(labelled, tmp_path, capsys):
    store, options = tmp_path / "store", {"workers": 1, "threads": 1, "retry_failed": False}
    suite, (config,) = labelled("first")
    assert make_suite(suite, [config], store, **options).done == [config.id]
    assert set(load_results(store)["label"]) == {"first"}
    before = load_results(store).drop(columns="label")

    suite, (renamed,) = labelled("second")
    assert renamed.id == config.id
    outcome = make_suite(suite, [renamed], store, **options)
    assert (outcome.skipped, outcome.relabelled) == ([config.id], [config.id])
    assert "1 finished or failed run now under the label" in " ".join(
        capsys.readouterr().out.split()
    )
    assert set(load_results(store)["label"]) == {"second"}
    assert load_results(store).drop(columns="label").equals(before)
    assert not make_suite(suite, [renamed], store, **options).relabelled

    _, (plain,) = labelled(None)
    assert not make_one(plain, store, 1)  # a run made alone takes no label away
    assert RunFolder(store, config.id).settings()["label"] == "second"
    assert make_suite(suite, [plain], store, **options).relabelled == [config.id]
    assert "label" not in load_results(store)
