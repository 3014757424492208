"""The report in a real browser: clicked, typed into and printed, at the width of desk and phone."""

import pytest
from browser import FOUND, Browser
from grid_stores import grid_store

from fedbytes.plots import make_figure, write_report

pytestmark = pytest.mark.skipif(
    FOUND is None, reason="no Chromium is installed: sh scripts/browser.sh installs Debian's"
)
FIGURES = ("verdict", "bytes", "target", "rounds")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    figures = [make_figure(name) for name in FIGURES]
    return write_report(
        grid_store(5, 5, 2, faults=True, rounds=4), path, "A title", figures=figures
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def count(browser, query):
    return browser.value(f"document.querySelectorAll({query!r}).length")


NAMES = "[...document.querySelectorAll('#methods li')].map(item => item.dataset.name)"


def test_a_click_greys_all_other_methods_in_all_figures(browser, page):
    browser.open(page, 1280, 900)
    names = browser.value(NAMES)
    assert len(names) == 5
    assert count(browser, ".dimmed") == 0
    browser.click("#methods li:nth-child(3) button")
    by_figure = browser.value(
        "[...document.querySelectorAll('figure')].map(f => [...new Set([...f.querySelectorAll("
        "'[data-method]:not(.dimmed)')].map(e => e.dataset.method))])"
    )
    assert len(by_figure) >= len(FIGURES)
    assert all(seen == [names[2]] for seen in by_figure)
    assert browser.value("document.querySelector('[aria-pressed=true]').textContent") == names[2]
    browser.click("#reset")
    assert count(browser, ".dimmed") == 0


def test_a_method_is_taken_away_and_comes_back(browser, page):
    browser.open(page, 1280, 900)
    every = count(browser, "[data-method]")
    browser.click("#methods li:nth-child(2) input")
    name = browser.value(NAMES)[1]
    gone = browser.value("[...new Set([...document.querySelectorAll('svg .off')]"
                         ".map(e => e.dataset.method))]")  # fmt: skip
    assert gone == [name]
    assert 0 < count(browser, "[data-method].off") < every
    browser.click("#methods li:nth-child(2) input")
    assert count(browser, "[data-method].off") == 0


def test_words_filter_methods_in_list_figures_and_tables(browser, page):
    browser.open(page, 1280, 900)
    browser.click("#filter")
    browser.write("topk")
    assert count(browser, "#methods li:not(.off)") == 1
    shown = browser.value("[...new Set([...document.querySelectorAll('tr[data-method]:not(.off)')]"
                          ".map(row => row.dataset.method))]")  # fmt: skip
    assert len(shown) == 1
    assert shown[0].startswith("topk")


def test_a_header_sorts_by_number(browser, page):
    browser.open(page, 1280, 900)
    column = (
        "[...document.querySelectorAll('.sortable td:nth-child({})')].map(c => +c.dataset.number)"
    )
    browser.click(".sortable th:nth-child(5) button")
    found = browser.value(column.format(5))
    assert found == sorted(found)
    browser.click(".sortable th:nth-child(5) button")
    assert browser.value(column.format(5)) == found[::-1]


def test_marks_say_round_bytes_value_and_n(browser, page):
    browser.open(page, 1280, 900)
    titles = browser.value(
        "[...document.querySelectorAll('figure use title')].map(t => t.textContent)"
    )
    assert any(
        title.startswith("fp32: round 4, 8 MB, ") and title.endswith("n = 5") for title in titles
    )


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 700)])
def test_numbers_are_seen_without_scrolling(browser, page, width, height):
    browser.open(page, width, height, touch=width < 500)
    top, words = browser.value("(e => [e.getBoundingClientRect().top, e.textContent])"
                               "(document.querySelector('.lead'))")  # fmt: skip
    assert 0 <= top < height / 2
    assert "(n = 5)" in words
    # Nothing but what scrolls by itself is wider than the window.
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_a_row_is_a_card_on_a_phone(browser, page):
    browser.open(page, 390, 700, touch=True)
    cell = "document.querySelector('.sortable td.number')"
    assert browser.value(f"getComputedStyle({cell}).display") == "flex"
    right = browser.value(f"{cell}.getBoundingClientRect().right")
    assert 0 < right <= 390
    browser.click("#methods li:nth-child(2) button")
    assert count(browser, ".dimmed") > 0


def test_a_setting_opens_and_has_its_seeds(browser, page):
    browser.open(page, 1280, 900)
    browser.click("details.setting summary")
    assert browser.value("document.querySelector('details.setting').open")
    words = browser.value("document.querySelector('details.setting').innerText")
    assert "failed" in words
    assert "seed 4" in words


def test_downloads_are_made_in_the_page(browser, page):
    browser.open(page, 1280, 900)
    browser.value(
        "window.saved = []; URL.createObjectURL = blob => { saved.push(blob); return '#' }; "
        "HTMLAnchorElement.prototype.click = function() { saved.push(this.download) }; 1"
    )
    browser.click("[data-file='summary.csv']")
    browser.click("[data-svg='bytes']")
    assert browser.value("saved.filter(one => typeof one === 'string')") == [
        "summary.csv", "bytes.svg"
    ]  # fmt: skip
    assert browser.value("saved.filter(one => one.size > 500).length") == 2


def test_it_prints_and_asks_nothing_of_the_network(browser, page):
    browser.open(page, 1280, 900)
    assert browser.pdf().startswith(b"%PDF")
    kinds = {url.split(":")[0] for url in browser.requests}
    assert kinds <= {"file", "data", "about"}
    assert browser.errors == []
