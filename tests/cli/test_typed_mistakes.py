"""What is typed wrongly is told in one line with what to do, before anything is written."""

import sys
import warnings

import pytest

from fedbytes.cli.app import main

MISTAKES = [
    ("merge --out merged", "Missing argument 'folders': see `fedbytes merge --help`"),
    ("merge a.csv . --out merged", "'a.csv' is a file: name a folder"),
    ("merge . here --out a.csv", "'a.csv' is a file: name a folder"),
    ("link here --up 0 --down 5", "--up must be Mbit/s above 0, got 0"),
    ("link here --up 3 --down -5", "--down must be Mbit/s above 0, got -5"),
    ("link here --up ten --down 5", "'--up': must be a valid number, got 'ten'"),
    ("link here --up 10", "give --up and --down together"),
    ("link here --links 4g,fiber", "did you mean 'fibre'?"),
    ("link here --out a.csv", "'a.csv' is a file: name a folder"),
    ("submit here --authors y", "Missing option '--title': see `fedbytes submit --help`"),
    ("submit here --title= --authors y", "--title must be one line of text, got ''"),
    ("submit here --title x --authors y --name ../up", "named in small letters, digits"),
    ("verify nowhere", "'nowhere' does not exist"),
    ("verify a.csv", "'a.csv' is a file: name a folder"),
    ("verify here", "`fedbytes submit` writes them"),
    ("compare here nowhere", "give a store of `fedbytes sweep`"),
    ("compare here a.csv", "'a.csv' is a file: name a folder"),
    ("compare here here --csv here", "'here' is a folder: name a file"),
    ("export here --to model", "is neither a run's folder"),
    ("predict here texts --column x", "is neither a run's folder"),
    ("predict here here", "'here' is a folder: name a file"),
    ("new codec class", "'class' is a word of Python: take another, such as my-class"),
    ("new codec fp32", "there is a codec 'fp32' already"),
    ("new codek mine", "did you mean 'codec'?"),
    ("new suite mine --out a.csv", "a suite is a .yaml file, got --out a.csv"),
    ("new suite mine --out here", "'here' is a folder: name a file"),
    ("list codex", "did you mean 'codecs'?"),
    ("list codecs ecsq more", "see `fedbytes list --help`"),
    ("tune quikstart", "did you mean 'quickstart'?"),
    ("tune quickstart --trials 0", "'--trials': must be at least 1, got '0'"),
    ("tune quickstart --trials=0", "'--trials': must be at least 1, got '0'"),
    ("power nowhere", "there is no folder 'nowhere'; `fedbytes sweep` creates one"),
    ("power hre", "there is no folder 'hre'; did you mean 'here'?"),
    ("compare hre here", "there is no folder 'hre'; did you mean 'here'?"),
    ("verify hre", "'hre' does not exist; did you mean 'here'?"),
    ("list --plugin a.cvs", "'a.cvs' does not exist; did you mean 'a.csv'?"),
    ("plan quickstart --out a.csv", "'a.csv' is a file: name a folder"),
    ("plan quickstart rouns=3", "did you mean 'rounds'?"),
    ("work here", "`fedbytes plan SUITE --out"),
    ("work here --for 5x", "a duration is such as 55m"),
    ("status a.csv", "'a.csv' is a file: name a folder"),
    ("status here --every 0", "'--every': must be at least 0.1, got '0'"),
    ("sweep quickstart --on slrum", "did you mean 'slurm'?"),
    ("sweep quickstart --on slurm --engine partion=low", "did you mean 'partition'?"),
    ("sweep quickstart --engine x", "--engine takes KEY=VALUE, got 'x'"),
    ("sweep quickstart --out a.csv", "'a.csv' is a file: name a folder"),
    ("sweep quickstart --track wandbb", "did you mean 'wandb'?"),
    ("sweep quickstart --remake --accept", "give either --remake or --accept"),
    ("track here --to tensorbord", "did you mean 'tensorboard'?"),
    ("fetch minilmm", "did you mean 'minilm'?"),
    ("docs lnks", "did you mean 'links'?"),
    ("plot here", "there is no run in 'here'; `fedbytes sweep` makes some"),
    ("report here --out here", "'here' is a folder: name a file"),
    ("partition quickstart --figures a.csv", "'a.csv' is a file: name a folder"),
]


@pytest.mark.parametrize(("typed", "told"), MISTAKES, ids=[typed for typed, _ in MISTAKES])
def test_a_mistake_is_one_line_with_the_remedy(typed, told, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    for name in ("a.csv", "texts"):
        (tmp_path / name).write_text("text,label\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which main replaces
    monkeypatch.setattr(sys, "argv", ["fedbytes", *typed.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert told in shown.err
    assert shown.out == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.csv", "here", "texts"]
    assert (tmp_path / "a.csv").read_text() == "text,label\n"
