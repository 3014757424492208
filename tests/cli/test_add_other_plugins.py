"""The plug-ins of docs/add-other-plugins.md keep their contracts as printed."""

import re
from contextlib import ExitStack
from pathlib import Path

from fedbytes.cli.check_file import check_file
from fedbytes.cli.registries import all_registries

PAGE = Path(__file__).parents[2] / "docs" / "add-other-plugins.md"


def test_the_documented_plugins_keep_their_contracts(tmp_path, capsys):
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 2
    file = tmp_path / "mine.py"
    file.write_text("\n".join(code), encoding="utf-8")
    with ExitStack() as stack:
        for registry in all_registries().values():
            stack.enter_context(registry.isolated())
        assert check_file(file) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    for title in ("transform reversed", "model small-gpt2"):
        assert title in shown
