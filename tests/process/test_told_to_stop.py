"""A command that is told to stop before it has begun ends as one that has saved its round."""

import os
import signal
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from fedbytes.__main__ import start
from fedbytes.experiments.execution.workers.stopping import stopping
from fedbytes.process.told_to_stop import STOPPING


@pytest.fixture(autouse=True)
def _handlers_of_before(monkeypatch: pytest.MonkeyPatch) -> object:
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stand_in(monkeypatch: pytest.MonkeyPatch, main: Callable[[], None]) -> None:
    """Have the command line do this, without importing it."""
    monkeypatch.setitem(sys.modules, "fedbytes.cli.app", SimpleNamespace(main=main))


@pytest.mark.parametrize("number", STOPPING)
@pytest.mark.parametrize("verb", ["work", "sweep", "run", "tune"])
def test_a_signal_while_a_command_starts_is_code_75(
    verb: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["fedbytes", verb, "x"])
    stand_in(monkeypatch, lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as end:
        start()
    assert end.value.code == 75


def test_who_hears_signals_is_not_ended_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fedbytes", "work", "x"])
    heard: list[bool] = []

    def main() -> None:
        with stopping() as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
            heard.append(stopped())

    stand_in(monkeypatch, main)
    start()
    assert heard == [True]


def test_other_commands_are_ended_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["fedbytes", "status", "x"])
    stand_in(monkeypatch, lambda: None)
    start()
    assert signal.getsignal(signal.SIGTERM) is before
