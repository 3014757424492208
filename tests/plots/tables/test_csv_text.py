"""What is written as CSV is read as the same rows."""

import io

import numpy as np
import pandas as pd

from fedbytes.plots.tables.csv_text import csv_text

LABELS = ["a\rb", "a\r\nb", "a\nb", 'q"u,o;te', " = 1 + 1", "日本", "NA", "1e2", "\x1b[31m", "|"]


def test_rows_are_read_as_they_were_written():
    frame = pd.DataFrame({"label": LABELS, "value": np.arange(10) / 3, "count": range(10)})
    read = pd.read_csv(io.StringIO(csv_text(frame, "%.6g")), keep_default_na=False)
    assert read["label"].tolist() == ["a\nb", "a\nb", *LABELS[2:]]
    assert np.allclose(read["value"], frame["value"], rtol=1e-5)
    assert read["count"].tolist() == [*range(10)]


def test_missing_values_and_mixed_columns_are_kept():
    frame = pd.DataFrame({"a": [None, "x"], "b": [1.5, np.nan], "c": [{"k": 1}, 3]})
    assert csv_text(frame) == frame.to_csv(index=False, lineterminator="\n")
