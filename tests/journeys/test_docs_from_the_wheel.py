"""Whoever has the wheel alone reads the pages that messages name."""

import pytest

from fedbytes.cli.manual.pages import pages


@pytest.mark.slow
def test_the_wheel_brings_the_pages_of_its_version(fedbytes, tmp_path):
    listed = [line.split()[0] for line in fedbytes("docs").stdout.splitlines()]
    assert listed == list(pages())
    for name in ("concepts", "results/codecs", "wire/sparse"):
        lies = fedbytes("docs", name, "--path").stdout.strip()
        assert "site-packages/fedbytes/pages/" in lies
        assert fedbytes("docs", name).stdout == pages()[name].read_text(encoding="utf-8")
