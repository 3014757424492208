import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from fedbytes.plots.output.fitted_table import FittedTable

ROWS = [
    ("topk density=0.05 +EF", "45.8 ± 31.1", "30.9 kB (2 of 3)", "3.97 (0.202 to 78.2)"),
    ("ecsq bits=1.5 +EF", "36.1 ± 47.8", "29.7 kB (2 of 3)", "4.13 (0.319 to 53.5)"),
    ("日本語 α=1", "1,234", "–", "−15.97, +9.72"),
]
HEADS = ("Codec", "Final", "To target", "Ratio of bytes")


def drawn(width: int) -> str:
    table = FittedTable(*HEADS, title="what is compared", left=("Codec",))
    for row in ROWS:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", range(16, 130))
def test_words_are_whole_and_lines_fit_at_any_width(width):
    text = drawn(width)
    assert max(Text(line).cell_len for line in text.splitlines()) <= width
    assert set(text.split()) >= {word for row in ROWS for cell in row for word in cell.split()}
    assert "…" not in text


def test_a_number_keeps_its_unit_and_breaks_before_its_bracket():
    text = drawn(52)
    assert re.search(r"30\.9 kB", text)
    assert re.search(r"29\.7 kB", text)
    assert "(0.202 to 78.2)" in text


def test_room_for_all_is_one_line_a_row():
    assert len(drawn(120).splitlines()) == 2 + len(ROWS)


def test_a_screen_too_narrow_for_columns_has_a_line_for_each_cell():
    lines = drawn(28).splitlines()
    assert "topk density=0.05 +EF" in lines
    assert "  Final: 45.8 ± 31.1" in lines
