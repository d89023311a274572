"""The page of a study in a real headless Chromium: what a reader does with it, and that nothing leaves the file."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pages import built, completion, keep, right
from studies import Write, cell

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

HOSTILE = "<script>window.hacked=1</script>\n  <img src=x onerror='window.hacked=1'> </script> 5"
Open = Callable[[str], "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def watched(browser: "Browser") -> Iterator["Page"]:
    """A tab whose test fails where it asks for anything but its file, or says anything on its console."""
    asked: list[str] = []
    said: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
    tab.set_default_timeout(10_000)
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    yield tab
    tab.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture
def study(write: Write) -> Path:
    failed = {"state": "failed", "step": 2, "steps": 4, "error": {"type": "Oops", "message": "<b>out</b> of memory"}}
    folder = write([cell("1010"), cell("1100", "random", status=failed)], rewards=("sparse", "random"))
    paid_wrongly = completion(3, "paid #### 9", reward=1.0, components={"random": 1.0, "format": None})
    keep(folder, "c00", [right(step, reward=step) for step in (1, 2)] + [completion(2, HOSTILE)])
    keep(folder, "c01", [right(3, reward=0.5), paid_wrongly, completion(4, "x  y\n\n   z")])
    (folder / "cells" / "c01" / "log.txt").write_text("Traceback\n<i>the last line</i>\n")
    return folder


@pytest.fixture
def tab(study: Path, tmp_path: Path, watched: "Page") -> Open:
    path = tmp_path / "report.html"
    path.write_text(built(study), encoding="utf-8")

    def _open(place: str) -> "Page":
        watched.goto(f"{path.as_uri()}{place}")
        return watched

    return _open


def rows(page: "Page", count: int) -> list[str]:
    """The completions of the list, once the count says how many there are."""
    from playwright.sync_api import expect

    expect(page.locator("#completions .count")).to_have_text(re.compile(rf"{count:,} of [\d,]+"))
    page.wait_for_function("[...document.querySelectorAll('.rows .preview')].every((one) => one.textContent)")
    return page.locator(".rows .row .preview").all_inner_texts()


def test_the_table_is_sorted_by_a_click_and_by_a_key(tab: Open) -> None:
    page = tab("")
    head, first = page.locator("#table th").nth(1), page.locator("#table tbody th")
    head.click()
    assert first.all_inner_texts() == ["format", "sparse", "length"]
    head.press("Enter")
    # What has no number stays last.
    assert first.all_inner_texts() == ["sparse", "format", "length"]
    assert head.get_attribute("aria-sort") == "descending"


def test_a_figure_is_enlarged_and_closed(tab: Open) -> None:
    page = tab("")
    page.locator(".figure").click()
    assert page.locator("#enlarged img").evaluate("(image) => image.naturalWidth") == 40
    page.keyboard.press("Escape")
    assert not page.locator("#enlarged").is_visible()


FILTERS = [
    pytest.param("status=correct&split=training", ["#### 4"] * 3, id="verdict and split"),
    pytest.param("split=training&step_from=3", ["#### 4", "paid #### 9", "x y z"], id="from a step on"),
    pytest.param("split=training&step_from=2&step_to=2&status=correct", ["#### 4"], id="one step"),
    pytest.param("reward_from=2", ["#### 4"], id="reward: what has none does not pass"),
    pytest.param("reward_from=0.4&reward_to=0.6", ["#### 4"], id="a range of rewards"),
    pytest.param("odd=1", ["#### 4", "paid #### 9"], id="reward disagrees with verifier"),
    pytest.param("text=PAID", ["paid #### 9"], id="text, in any case"),
    pytest.param("cell=c01&split=training", ["#### 4", "paid #### 9", "x y z"], id="cell"),
    pytest.param("row=1&split=training&sort=-reward", ["paid #### 9", "#### 4", "x y z"], id="row, sorted down"),
    pytest.param("status=correct&status=wrong&text=nowhere", [], id="nothing"),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_an_address_filters_the_completions(tab: Open, query: str, expected: list[str]) -> None:
    assert rows(tab(f"#completions?{query}"), len(expected)) == expected


def test_the_form_filters_the_completions(tab: Open) -> None:
    page = tab("#completions")
    rows(page, 38)
    page.get_by_label("From", exact=True).select_option("training")
    rows(page, 6)
    page.get_by_label("reward disagrees with verifier").check()
    assert rows(page, 2) == ["#### 4", "paid #### 9"]
    page.get_by_label("Reward from").fill("0.9")
    assert rows(page, 1) == ["paid #### 9"]
    assert page.url.endswith("#completions?split=training&reward_from=0.9&odd=1")
    page.get_by_role("button", name="Clear").click()
    rows(page, 38)


def test_a_click_on_a_head_sorts_the_completions(tab: Open) -> None:
    page = tab("#completions?split=training")
    rows(page, 6)
    for expected in (
        ["0", "0", "0.5", "1", "1", "2"],
        ["2", "1", "1", "0.5", "0", "0"],
        ["1", "2", "0", "0.5", "1", "0"],
    ):
        page.locator('[data-sort="reward"]').click()
        found = page.locator(".rows .row > :nth-child(5)").all_inner_texts()
        assert [text.split("disagrees")[0].strip() for text in found] == expected


def test_a_completion_opens_in_full_and_back_closes_it(tab: Open) -> None:
    page = tab("#completions?row=1&split=training")
    rows(page, 3)
    page.locator(".rows .row").nth(2).click()
    opened = page.locator("#opened")
    assert opened.locator(".completion").text_content() == "x  y\n\n   z"
    page.keyboard.press("ArrowLeft")
    opened.get_by_text("paid #### 9").wait_for()
    text = opened.inner_text()
    for part in (
        "Question of step 3?",
        "committed by marker, but the gold is 4",
        "random",
        "not scorable",
        "disagrees",
    ):
        assert part in text
    page.go_back()
    assert not opened.is_visible()
    assert rows(page, 3)


def test_a_closed_completion_leaves_the_history_as_it_was(tab: Open) -> None:
    page = tab("#cell/c01")
    page.get_by_role("link", name="Read its completions").click()
    rows(page, 3 + 16)
    page.locator(".rows .row").first.click()
    page.locator("#opened .completion").wait_for()
    page.keyboard.press("Escape")
    page.locator("#opened").wait_for(state="hidden")
    assert page.url.endswith("#cell/c01/completions")
    page.go_back()
    page.locator("#cell h1").wait_for()


def test_markup_in_a_completion_is_text(tab: Open) -> None:
    page = tab("#completions?text=window.hacked")
    assert rows(page, 1) == [" ".join(HOSTILE.split())]
    page.locator(".rows .row").click()
    assert page.locator("#opened .completion").text_content() == HOSTILE
    assert page.evaluate("typeof window.hacked") == "undefined"


def test_a_cell_shows_its_curves_error_and_log(tab: Open) -> None:
    page = tab("#cells")
    assert page.locator("#cells tbody tr").count() == 2
    page.get_by_label("State").select_option("failed")
    page.locator("#cells tbody a:visible").click()
    page.locator("#cell h1").get_by_text("random / grpo / seed 1").wait_for()
    assert page.locator("#cell .alarm").first.inner_text() == "Oops: <b>out</b> of memory"
    assert page.locator("#cell details[open] pre").inner_text() == "Traceback\n<i>the last line</i>"
    assert page.locator("#cell .chart").first.locator("polyline").count() == 2
    page.locator("#cell summary").get_by_text("Config").click()
    assert 'reward = "random"' in page.locator("#cell details pre").first.inner_text()
    page.go_back()
    assert page.locator("#cells tbody tr:visible").count() == 1


def test_the_pointer_reads_a_curve(tab: Open) -> None:
    page = tab("#cell/c00")
    page.locator("#cell .chart svg").first.hover()
    assert page.locator("#cell .readout").first.inner_text().startswith("step ")


def test_an_unknown_cell_says_so(tab: Open) -> None:
    tab("#cell/nobody").get_by_text("No cell of this study is called nobody.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme_and_the_button_turns_it(tab: Open, watched: "Page", scheme: str) -> None:
    watched.emulate_media(color_scheme=scheme)
    page = tab("")
    lightness = "parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    first = page.evaluate(lightness)
    page.locator("#theme").click()
    second = page.evaluate(lightness)
    assert (first > 200 > 100 > second) if scheme == "light" else (second > 200 > 100 > first)


def test_the_list_is_used_without_a_mouse(tab: Open) -> None:
    page = tab("#completions?split=training")
    rows(page, 6)
    for key in ("ArrowDown", "ArrowDown", "End", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.locator("#opened .completion").wait_for()
    assert page.locator("#opened .completion").text_content() == "paid #### 9"
    page.keyboard.press("Escape")
    page.locator("#opened").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.className") == "list"


@pytest.mark.slow
def test_fifty_thousand_completions_stay_usable(write: Write, tmp_path: Path, watched: "Page") -> None:
    folder = write([cell("1")])
    grid = [(step, n) for step in range(1, 101) for n in range(500)]
    tries = [completion(step, f"try {n} of step {step}: {step * n} #### 5", reason="recorded") for step, n in grid]
    keep(folder, "c00", tries)
    path = tmp_path / "large.html"
    path.write_text(built(folder, limit=60_000), encoding="utf-8")
    begun = time.monotonic()

    def within(seconds: float) -> None:
        nonlocal begun
        assert time.monotonic() - begun < seconds
        begun = time.monotonic()

    watched.goto(f"{path.as_uri()}#completions")
    rows(watched, 50_010)
    within(10)
    assert watched.locator(".rows .row").count() < 60
    watched.locator(".list").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    watched.get_by_text("try 499 of step 100: 49900 #### 5").wait_for()
    within(5)
    watched.get_by_label("Step from").fill("77")
    watched.get_by_label("Step to").fill("77")
    rows(watched, 500)
    within(5)
    watched.get_by_role("button", name="Clear").click()
    rows(watched, 50_010)
    watched.get_by_label("Text", exact=True).fill("TRY 7 OF STEP 3")
    assert len(rows(watched, 11)) == 11
    within(10)
