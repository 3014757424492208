"""The built documentation site in a real browser, opened from its folder, without a network."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import FOUND, Browser

SITE = Path(__file__).parents[2] / "build" / "site"
PAGES = (
    "index.html", "gallery.html", "api/compression.html", "api/experiments.html",
    "docs/choose-a-codec.html", "docs/suites.html", "docs/algorithms.html",
    "docs/notebooks/own-csv.html", "docs/notebooks/redraw-a-figure.html",
    "docs/results/codecs/index.html", "docs/results/quickstart/index.html", "CHANGELOG.html",
)  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(FOUND is None, reason="no Chromium: sh scripts/browser.sh"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


def wait_for(found: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_window_and_has_its_pictures(
    browser: Browser, page: str, size: str
) -> None:
    width, height = SIZES[size]
    browser.open(SITE / page, width, height, touch=size == "phone")
    assert browser.value("document.documentElement.scrollWidth") <= width
    browser.value("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
    wait_for(lambda: browser.value("[...document.images].every(i => i.complete)"))
    lost = browser.value(
        "[...document.images].filter(i => i.naturalWidth === 0).map(i => i.src).join()"
    )
    assert lost == ""


@pytest.mark.parametrize("page", ["index.html", "docs/results/quickstart/index.html"])
@pytest.mark.parametrize("size", SIZES)
def test_search_finds_pages_without_a_network(browser: Browser, page: str, size: str) -> None:
    browser.errors.clear()
    width, height = SIZES[size]
    browser.open(SITE / page, width, height, touch=size == "phone")
    if size == "phone":
        browser.click("label.md-header__button[for=__search]")
    browser.click("input.md-search__input")
    browser.write("break-even rate")
    key = "document.querySelector('input.md-search__input').dispatchEvent(new Event('keyup'))"
    assert browser.value(key)
    wait_for(lambda: browser.value("document.querySelectorAll('.md-search-result__item').length"))
    links = browser.value(
        "[...document.querySelectorAll('.md-search-result__link')].map(a => a.href).join(' ')"
    )
    assert "docs/links.html" in links
    assert browser.errors == []


def test_nothing_is_asked_of_other_machines(browser: Browser) -> None:
    browser.open(SITE / "index.html", *SIZES["desktop"])
    asked = {url.split(":")[0] for url in browser.requests}
    assert asked <= {"file", "data", "blob", "about"}


def test_no_page_names_the_machine_that_built_it() -> None:
    here = str(SITE.parents[1])
    pages = [*SITE.rglob("*.html"), SITE / "search" / "search_index.json"]
    assert len(pages) > 80
    named = [page.name for page in pages if here in page.read_text(encoding="utf-8")]
    named += [page.name for page in pages if "site-packages" in page.read_text(encoding="utf-8")]
    assert named == []


def test_notebooks_show_what_they_printed_and_drew() -> None:
    for page in (SITE / "docs" / "notebooks").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "Traceback" not in text
        assert "Warning" not in text
    drawn = (SITE / "docs" / "notebooks" / "own-csv.html").read_text(encoding="utf-8")
    assert "<img" in drawn
