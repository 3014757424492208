"""Engines that tests need: skipped where there are none, but not in CI."""

import os

import pytest

from fedbytes.experiments import LAUNCHERS

IN_CI = bool(os.environ.get("CI"))


def need(launcher: str, **settings: object) -> None:
    """Skip the test where an engine cannot be used, and fail it in CI."""
    refused = LAUNCHERS.make(launcher, **settings).refusal()
    if refused:
        miss(refused)


def miss(reason: str) -> None:
    """Skip a test for a reason, which in CI is a failure."""
    if IN_CI:
        pytest.fail(f"CI has every engine: {reason}")
    pytest.skip(reason)
