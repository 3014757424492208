import io

from rich.console import Console

from fedbytes.plots.output.terminal import summary_tables


def test_every_setting_has_its_table_and_nothing_is_cut(tables):
    console = Console(width=110, file=io.StringIO(), record=True)
    printed = list(summary_tables(tables))
    for table in printed:
        console.print(table)
    text = console.export_text()
    assert len(printed) == tables.results.alpha.nunique()
    assert all(codec in text for codec in tables.results.codec.unique())
    assert "n = 3" in text
    assert "…" not in text
