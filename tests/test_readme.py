"""The codec in the README keeps the contract, and the README's links lead somewhere."""

import re
from pathlib import Path

from fedbytes.compression.codec import make_codec
from fedbytes.compression.testing.codec_contract import check_codec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_codec_of_the_readme_holds_the_contract():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(code.strip().splitlines()) <= 30
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    findings = check_codec(make_codec("sign-mean"))
    assert [f.message for f in findings if not f.passed] == []


def test_links_of_all_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_table_is_that_of_the_committed_run():
    summary = (ROOT / "docs/results/quickstart/summary.md").read_text(encoding="utf-8")
    assert summary in README
