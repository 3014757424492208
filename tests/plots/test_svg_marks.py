"""What is marked in a figure is named in its SVG, point by point."""

import re
import xml.etree.ElementTree as ET

from fedbytes.plots import make_figure, sample_tables
from fedbytes.plots.style import make_panels, render_svg
from fedbytes.plots.svg_marks import mark

SVG = "{http://www.w3.org/2000/svg}"


def test_points_have_their_titles_and_lines_one():
    figure, (axis,) = make_panels([""])
    (dots,) = axis.plot([1, 2, 3], [1, 2, 3], "o", linestyle="none")
    (line,) = axis.plot([1, 2], [3, 1])
    mark(dots, 'a "quoted" <label>', ["one", "two & a half", "three"])
    mark(line, None, "the target")
    root = ET.fromstring(render_svg(figure))
    (group,) = [g for g in root.iter(f"{SVG}g") if "data-method" in g.attrib]
    assert group.get("data-method") == 'a "quoted" <label>'
    assert [t.text for t in group.iter(f"{SVG}title")] == ["one", "two & a half", "three"]
    assert next(group.iter(f"{SVG}use")).find(f"{SVG}title").text == "one"
    titles = [t.text for t in root.iter(f"{SVG}title")]
    assert titles.count("the target") == 1


def test_marks_that_are_not_all_drawn_have_one_title():
    figure, (axis,) = make_panels([""])
    (dots,) = axis.plot([1, 2, float("nan")], [1, 2, 3], "o", linestyle="none")
    mark(dots, "m", ["one", "two", "three"])
    root = ET.fromstring(render_svg(figure))
    assert [t.text for t in root.iter(f"{SVG}title")] == ["one … three"]


def test_a_figure_of_the_store_names_round_bytes_value_and_n():
    tables = sample_tables((0.1,), seeds=(0, 1), rounds=2)
    text = render_svg(make_figure("bytes").draw(tables))
    titles = re.findall("<title>([^<]*)</title>", text)
    assert any(re.fullmatch(r"fp32: round 1, [\d.]+ MB, [\d.]+, n = 2", title) for title in titles)
