"""The example of docs/verdicts.md prints what the page shows."""

import re
from pathlib import Path

import fedbytes.plots

PAGE = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_shows(capsys):
    code, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.S).groups()
    exec(compile(code, "verdicts.md", "exec"), {})
    assert capsys.readouterr().out == shown


def test_the_functions_that_it_names_exist():
    for name in re.findall(r"`([a-z]+_[a-z_]+)(?:\(…[^`]*)?`", PAGE):
        if name not in ("results_csv", "quickstart"):
            assert hasattr(fedbytes.plots, name), name
