"""The command line as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def words(settings, tmp_path):
    """The tiny run as `key=value` words."""
    (tmp_path / "out").mkdir()
    settings = settings | {"rounds": 1}
    return [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}".removesuffix("\n...")
            for key, value in settings.items()]  # fmt: skip


def test_run_status_plot_report(fedbytes, words, tmp_path):
    store = tmp_path / "store"
    made = fedbytes("run", *words, "--out", store)
    assert made.returncode == 0, made.stderr
    status = fedbytes("status", store)
    assert "1 done" in status.stdout
    drawn = fedbytes("plot", store, "--metric", "macro_f1", "--baseline", "fp32")
    assert drawn.returncode == 0
    assert list((store / "figures").glob("*.svg"))
    assert "macro-F1" in (store / "figures" / "summary.md").read_text()
    for option, message in [("--metric", "known: accuracy"), ("--baseline", "known: ")]:
        refused = fedbytes("plot", store, option, "none such")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert message in refused.stderr
    report = fedbytes("report", store)
    assert report.returncode == 0
    assert (store / "report.html").stat().st_size > 10_000


def test_partition_shows_and_saves(fedbytes, words, tmp_path):
    saved = tmp_path / "split.npz"
    shown = fedbytes("partition", *words, "partition.alpha=0.1", "--save", saved)
    assert shown.returncode == 0, shown.stderr
    assert "nmi" in shown.stdout
    assert saved.exists()


def test_partition_takes_a_suite_and_draws(fedbytes, words, tmp_path):
    settings = {key: yaml.safe_load(value) for key, value in (w.split("=", 1) for w in words)}
    suite = tmp_path / "splits.yaml"
    grid = {"partition.alpha": [0.1, 1.0], "seed": [0, 1], "codec": ["fp32", "nf4"]}
    suite.write_text(yaml.safe_dump({"base": settings, "grid": grid}))
    shown = fedbytes("partition", suite, "--figures", tmp_path / "drawn")
    assert shown.returncode == 0, shown.stderr
    assert "dirichlet α=0.1 2" in " ".join(shown.stdout.split())  # two seeds, whatever the codec
    assert {path.stem for path in (tmp_path / "drawn").glob("*.png")} == {
        "bars", "bubbles", "distances", "sizes", "strength",
    }  # fmt: skip
    refused = fedbytes("partition", suite, "--save", tmp_path / "split.npz")
    assert refused.returncode == 2
    assert "these are 4" in refused.stderr


def test_texts_are_a_factor(fedbytes, words, tmp_path):
    split = "partition={name: clusters, num_clusters: 3, num_clients: 4}"
    shown = fedbytes("partition", *words, split, "partition.then={name: dirichlet, alpha: 0.1}")
    assert shown.returncode == 0, shown.stderr
    assert "label_nmi" in shown.stdout
    assert "word_js" in shown.stdout


def test_list_names_all_that_there_is(fedbytes):
    from fedbytes.compression.codec import codec_names
    from fedbytes.noniid import partitioner_names

    done = fedbytes("list")
    assert done.returncode == 0, done.stderr
    known = [*codec_names(), *partitioner_names(), "fedavg", "lora", "reuters-r8", "smollm2-135m"]
    assert [name for name in [*known, "quickstart"] if name not in done.stdout] == []
    codecs = fedbytes("list", "codecs").stdout
    assert "fedavg" not in codecs
    assert "[density=0.01 in (0, 1]; bits=8 one of 1, 2, 3, 4, 5, 6, 7, 8, 16, 32]" in codecs


def test_codecs_measures(fedbytes):
    shown = fedbytes("codecs", "fp32", "int", "--numel", "2000")
    assert shown.returncode == 0, shown.stderr
    assert "32.0" in shown.stdout
    assert "topk" not in shown.stdout


def test_dry_run_says_how_much_and_makes_nothing(fedbytes, words, tmp_path):
    settings = dict(word.split("=", 1) for word in words)
    suite = {"base": {key: yaml.safe_load(value) for key, value in settings.items()}}
    path = tmp_path / "dry.yaml"
    path.write_text(yaml.safe_dump(suite | {"grid": {"seed": [0, 1]}}))
    shown = fedbytes("sweep", path, "--dry-run", "--out", tmp_path / "no")
    assert shown.returncode == 0, shown.stderr
    assert "2 runs" in shown.stdout
    assert "Bytes are exact, minutes and memory estimates" in shown.stdout
    assert not (tmp_path / "no").exists()


def test_dry_run_foretells_the_bytes(fedbytes, words, tmp_path):
    from fedbytes.experiments import load_results

    words = [*words, "rounds=6", "codec={name: int, bits: 4}"]
    suite = tmp_path / "one.yaml"
    suite.write_text("base: {}")
    from fedbytes.experiments.config.suite_file import load_suite
    from fedbytes.experiments.execution.cost_estimate import estimate

    (config,) = load_suite(str(suite)).expand(words)
    (cost,) = estimate([config], threads=1)
    assert fedbytes("sweep", suite, *words, "--out", tmp_path / "o").returncode == 0
    last = load_results(tmp_path / "o").iloc[-1]
    assert cost.up_bytes == last.up_bytes
    assert cost.down_bytes == last.down_bytes


BAD = [
    (["rouns=3"], "did you mean 'rounds'"),
    (["uplink.name=topq"], "did you mean 'topk'"),
    (["uplink={name: topk, densty: 0.1}"], "did you mean 'density'"),
    (["partition.alpha=0"], "alpha"),
    (["partition.alpha=-1"], "alpha"),
    (
        ["partition={name: dirichlet, num_clients: 4000, min_size: 1, on_small: repair}"],
        "need 4000 examples",
    ),
    (["task.label=topic"], "no column 'topic'"),
    (["task.path=no/such.csv"], "no/such.csv"),
    (["model.name=no/such/folder"], "no/such/folder"),
    (["model.device=cuda:99"], "cuda:99"),
    (["partition.factor=author"], "no column 'author'"),
    (["adapter={name: lora, targets: [nope]}"], "nope"),
    (["rounds"], "expected key=value"),
]


@pytest.mark.parametrize(("extra", "message"), BAD, ids=lambda x: str(x)[:40])
def test_bad_settings_are_one_line_and_exit_code_2(fedbytes, words, tmp_path, extra, message):
    out = tmp_path / "out"
    done = fedbytes("run", *words, *extra, "--out", out)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(out.glob("*/config.yaml"))


def test_other_mistakes_are_one_line_and_exit_code_2(fedbytes, words, tmp_path):
    file = tmp_path / "file"
    file.touch()
    empty = tmp_path / "empty.yaml"
    empty.write_text("grid: {seed: []}")
    for command, message in [
        (["run", *words, "--out", file / "below"], "cannot write to"),
        (["sweep", empty], "expands to no run"),
        (["sweep", "quickstrat"], "did you mean 'quickstart'"),
        (["swep", "quickstart"], "did you mean 'sweep'"),
        (["sweep", "quickstart", "--wokers", "2"], "--wokers"),
        (["status", tmp_path / "none"], "there is no folder"),
        (["report", tmp_path / "out"], "there is no run"),
        (["list", "codec"], "did you mean 'codecs'"),
        (["codecs", "topq"], "did you mean 'topk'"),
        (["codecs", "--out", "x"], "--out needs --bench"),
        (["codecs", "--redraw"], "--redraw needs --out"),
        (["check", tmp_path / "none.py"], "does not exist"),
        (["check", empty], "not a Python file"),
    ]:
        done = fedbytes(*command)
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_help_is_there_for_every_verb(fedbytes):
    for verb in [
        "sweep",
        "run",
        "status",
        "plot",
        "report",
        "partition",
        "codecs",
        "list",
        "check",
    ]:
        assert "Usage" in fedbytes(verb, "--help").stdout


@pytest.mark.parametrize(
    "command", ["import fedbytes", "import fedbytes.cli, fedbytes.experiments"]
)
def test_importing_does_not_load_torch(command):
    code = (
        f"{command}; import sys; assert not {{'torch', 'transformers', 'numba'}} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_help_does_not_load_torch(tmp_path):
    code = (
        "import sys\nsys.argv = ['fedbytes', '--help']\nimport fedbytes.cli\n"
        "try:\n    fedbytes.cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'pandas', 'numba', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_check_runs_the_contract_over_a_users_file(fedbytes, tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(PLUGIN.format(name="halved", scale="1.0"))
    bad.write_text(PLUGIN.format(name="doubled", scale="float('nan')"))
    passed, failed = fedbytes("check", good), fedbytes("check", bad)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "all properties hold" in passed.stdout
    assert failed.returncode == 1
    assert "fails" in failed.stdout


PLUGIN = """
from dataclasses import dataclass

import numpy as np

from fedbytes.compression.codec import CODECS, Codec


@CODECS.register("{name}")
@dataclass(frozen=True)
class Mine(Codec):
    @property
    def contracts(self):
        return True

    def _encode(self, x, shared):
        return x.astype("<f4").tobytes()

    def _decode(self, data, shared):
        if len(data) != 4 * shared.layout.numel:
            raise ValueError("wrong length")
        return np.frombuffer(data, "<f4").astype(np.float32) * np.float32({scale})
"""


def test_traceback_is_there_for_who_asks(tmp_path):
    words = [sys.executable, "-m", "fedbytes.cli", "status", tmp_path / "none"]
    done = subprocess.run(
        words, env=os.environ | {"FEDBYTES_TRACEBACK": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_the_module_and_the_script_are_one():
    script = Path(sys.executable).parent / "fedbytes"
    done = subprocess.run([script, "list", "suites"], capture_output=True, text=True)
    assert "quickstart" in done.stdout


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lr=0.1", "algorithm.learning_rate"),
        ("alpha=0.1", "partition.alpha"),
        ("num_clients=3", "partition.num_clients"),
        ("rank=4", "adapter.rank"),
        ("density=0.1", "codec.density"),
        ("rouns=3", "rounds"),
    ],
)
def test_a_setting_without_its_section_is_pointed_to_it(word, meant):
    from fedbytes.cli import app

    with pytest.raises(ValueError, match=f"did you mean {meant!r}".replace(".", r"\.")):
        app(["run", word], standalone_mode=False)


def test_short_names_of_fields_are_understood():
    from fedbytes.experiments import make_config

    with pytest.raises(ValueError, match="no field 'lr'; did you mean 'learning_rate'"):
        make_config({"algorithm": {"name": "fedavg", "local_steps": 1, "lr": 0.1}})


def test_an_unknown_name_is_told_how_files_are_given():
    from fedbytes.experiments import make_config

    with pytest.raises(ValueError, match=r"unknown codec 'mine'.*--plugin FILE"):
        make_config({"codec": "mine"})


def test_columns_that_are_nearly_right_are_named(fedbytes, words):
    done = fedbytes("partition", *words, "partition.factor=lable")
    assert "there is no column 'lable'; did you mean 'label'" in done.stderr
