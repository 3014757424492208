"""Texts of users in figures: what is drawn of them, and how wide."""

import pytest
from matplotlib.figure import Figure

from fedbytes.plots.shown_text import (
    MISSING,
    cut,
    distinct,
    drawable,
    finish_texts,
    inches,
    wrap,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50 % of $x_1$", "50 % of $x_1$"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("\u202egnp", r"\u202egnp"),
        ("α ≥ ½ · Ж", "α ≥ ½ · Ж"),
        ("\U00012000", MISSING),  # cuneiform, which no font here has
    ],
)
def test_what_is_drawn(text, shown):
    assert drawable(text) == shown


@pytest.mark.parametrize("text", ["word " * 60, "W" * 300, "$" * 300, "日本" * 150, "i" * 999])
@pytest.mark.parametrize("width", [0.8, 2.0])
def test_cut_and_wrapped_to_their_width(text, width):
    short = cut(text, width)
    assert inches(short) <= width
    assert short.count("…") == 1
    assert (short[0], short[-1]) == (text[0], text.strip()[-1])
    lines = wrap(text, width, 3).split("\n")
    assert len(lines) <= 3
    assert all(inches(line) <= width for line in lines)


def test_widths_are_about_those_that_are_drawn():
    figure = Figure(dpi=100)
    for text in ("topk 1 % 4 bit + EF", "WWWWWWW", "illicit"):
        made = figure.text(0, 0, text, fontsize=8)
        assert inches(text) == pytest.approx(made.get_window_extent().width / 100, rel=0.1)


def test_no_two_names_are_alike():
    long = ["x" * 200 + middle + "x" * 200 for middle in "abc"]
    names = distinct([*long, "a\nb", "a b", "", " "], 1.5)
    assert len(set(names.values())) == 7
    assert all(inches(name) <= 1.5 for name in names.values())
    assert "" not in names.values()


def test_a_missing_glyph_is_said_and_never_warned_of(recwarn):
    figure = Figure()
    figure.text(0, 0, "price \U00012000 and \U00012001")
    assert finish_texts(figure)
    figure.draw_without_rendering()
    assert not recwarn.list
