"""A codec of one's own, from `fedbytes new` to a row in a table, in six commands."""

import re
import shutil

import pytest


@pytest.mark.slow
def test_a_codec_of_ones_own_becomes_a_row_in_a_table(fedbytes, tmp_path, texts):
    shutil.copy(texts, tmp_path / "notes.csv")

    assert "next: fedbytes check my_codec.py" in fedbytes("new", "codec", "my-codec").stdout
    assert "all properties hold" in fedbytes("check", "my_codec.py").stdout
    measured = fedbytes("codecs", "my-codec", "--plugin", "my_codec.py", "--numel", 50_000)
    assert "my-codec" in measured.stdout
    fedbytes("new", "suite", "mine")
    swept = fedbytes(
        "sweep",
        "mine.yaml",
        "--plugin",
        "my_codec.py",
        "task={name: file, path: notes.csv, max_length: 32}",
        "model.name=tiny-bert",
        "rounds=2",
        "seed=[0, 1]",
        "partition.alpha=1.0",
        "codec=[fp32, my-codec]",
    )
    assert "4 of 4 runs done" in swept.stdout
    fedbytes("plot", "runs/mine", "--plugin", "my_codec.py")

    figures = tmp_path / "runs" / "mine" / "figures"
    table = (figures / "summary.md").read_text(encoding="utf-8").splitlines()
    heads = [cell.strip() for cell in table[0].split("|")]
    rows = [dict(zip(heads, map(str.strip, line.split("|")), strict=True)) for line in table[2:]]
    assert {row["Codec"] for row in rows} == {"fp32", "my-codec"}
    (mine,) = (row for row in rows if row["Codec"] == "my-codec")
    final = next(value for head, value in mine.items() if head.startswith("Final"))
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d, \d+\.\d\)", final), "a mean and each of two seeds"
    assert (figures / "bytes.svg").stat().st_size > 10_000
