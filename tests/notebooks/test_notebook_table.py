import pytest

from fedbytes.cli.terminal.live import NotebookTable
from fedbytes.experiments import make_config
from fedbytes.experiments.execution.events import Advanced, Failed, Finished


def test_html_shows_rounds_runs_and_failures_and_is_shown_once(settings):
    first, second = (make_config(settings | {"seed": seed}) for seed in (0, 1))
    shown, updates = [], []

    def show(html):
        shown.append(html)
        return updates.append

    with NotebookTable([first, second], 3, show) as table:
        table.started(first)
        table.on_event(first, Advanced(1, 2000, {"accuracy": 0.5}))
        assert "1 of 8" in updates[-1]
        assert "50.0% 2.00 kB" in updates[-1]
        table.on_event(first, Finished())
        assert "4 of 8" in updates[-1]
        table.started(second)
        table.on_event(second, Failed("<no memory>"))
    assert len(shown) == 1
    assert "2 of 2 runs, 3 finished before" in updates[-1]
    assert "&lt;no memory&gt;" in updates[-1]
    assert "seed 0" not in updates[-1]  # it is done


def test_a_notebook_shows_figures_that_pyplot_did_not_make():
    from matplotlib.figure import Figure

    from fedbytes.process.notebook import show_figures

    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    figure = Figure(figsize=(2, 1))
    figure.subplots()  # IPython shows no empty figure
    assert "image/png" not in shell.display_formatter.format(figure)[0]
    for _ in range(2):
        show_figures(shell)
        assert shell.display_formatter.format(figure)[0]["image/png"]
