"""What the command line says of itself: defaults, versions, completion, and words to begin with."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise

import pytest

import fedbytes
from fedbytes.cli import app

COLUMNS = {"COLUMNS": "80", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
VERBS = sorted(command.name for command in app.registered_commands)


def called(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "fedbytes", *map(str, words)],
        env=os.environ | COLUMNS | env,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def help_of(capsys, monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 100)

    def read(verb):
        app([verb, "--help"], standalone_mode=False)
        return capsys.readouterr().out

    return read


@pytest.mark.parametrize("verb", VERBS)
def test_every_default_is_in_the_help(verb, help_of):
    from typer.main import get_command

    text = " ".join(help_of(verb).replace("│", " ").split())
    for option in get_command(app).commands[verb].params:
        if option.param_type_name != "option" or option.secondary_opts:
            continue
        if option.default not in (None, False, (), [], ""):
            assert f"[default: {option.default}]" in text, option.name


@pytest.mark.parametrize("verb", VERBS)
def test_paragraphs_of_a_help_fill_the_screen(verb, help_of):
    lines = help_of(verb).split("╭")[0].splitlines()
    shown = [line.strip() for line in lines]
    for line, following in pairwise(shown):
        if line and following and not line.startswith("Usage"):
            assert len(f"{line} {following.split()[0]}") > 96, line


def test_the_version_is_said_by_both_ways_to_call_it():
    done = called("--version")
    assert done.stdout == f"fedbytes {fedbytes.__version__}\n"


def test_nothing_is_coloured_where_nobody_wants_colour():
    for words in (["list", "codecs"], ["--help"], ["list", "codecs", "topk"]):
        assert "\x1b" not in called(*words).stdout


def test_ctrl_c_says_how_to_go_on(settings, tmp_path):
    import yaml

    words = [
        f"{key}={' '.join(yaml.safe_dump(value, default_flow_style=True).split())}".removesuffix(
            " ..."
        )
        for key, value in (settings | {"rounds": 100000}).items()
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "fedbytes", "run", *words, "--out", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that were started in the background do not hear Ctrl-C, nor would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        end = time.monotonic() + 120
        while not list(tmp_path.glob("*/checkpoint/state.json")) and time.monotonic() < end:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=180)
    finally:  # a run of 100,000 rounds must not outlive its test
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 130
    assert err.strip() == "interrupted; run the same command again to resume"
    assert "Traceback" not in out


def test_a_shell_completes_verbs_suites_names_and_settings():
    code = "import sys; sys.argv = ['fedbytes']; from fedbytes.cli import main; main()"

    def offered(line):
        env = {
            "_FEDBYTES_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True
        )
        return done.stdout.split()

    assert offered("fedbytes ver") == ["verdicts", "verify"]
    assert "quickstart" in offered("fedbytes sweep qu")
    assert offered("fedbytes list codecs ecs") == ["ecsq"]
    assert offered("fedbytes run algorithm.learn") == ["algorithm.learning_rate="]
    assert offered("fedbytes new part") == ["partitioner"]


def test_a_page_of_a_plugin_has_its_fields_ranges_paper_and_examples(capsys):
    app(["list", "codecs", "ecsq"], standalone_mode=False)
    text = capsys.readouterr().out
    for part in ("Gish and Pierce 1968", "in [0.05, 16]", "one of nearest, dither,"):
        assert part in text
    assert "'codec={name: ecsq, bits: 0.5}'" in text
    assert '>>> codec = make_codec("ecsq", step=1.0)' in text


@pytest.mark.parametrize(
    ("kind", "name", "seen"),
    [
        ("algorithms", "fedavg", "Optimiser steps a client takes"),
        ("suites", "quickstart", "runs: 30"),
        ("models", "minilm", "of 22.6 M parameters model=minilm"),
        ("transforms", "rotate", "in a configuration:"),
    ],
)
def test_every_kind_has_pages(kind, name, seen, capsys):
    app(["list", kind, name], standalone_mode=False)
    assert seen in " ".join(capsys.readouterr().out.split())


def test_several_runs_are_refused_where_one_is_meant():
    with pytest.raises(ValueError, match=r"are 2 runs; .* of the lists among its settings"):
        app(["run", "seed=[0, 1]"], standalone_mode=False)


def test_no_page_of_what_there_is_not():
    for kind, name in [("codecs", "ecsk"), ("models", "minilmm"), ("suites", "quickstar")]:
        with pytest.raises(ValueError, match=r"did you mean '(ecsq|minilm|quickstart)'"):
            app(["list", kind, name], standalone_mode=False)
