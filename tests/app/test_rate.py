"""The blind sheet as a page: one summary at a time, and nothing that tells whose it is."""

import json
import re
import shutil

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.app.conftest import App
from tests.app.test_page import visit  # noqa: F401, a fixture
from tools.ratings.answers import QUESTIONS, read_answers

SPANS = "data/unsupported.jsonl"


@pytest.fixture
def page(visit, project) -> Page:  # noqa: F811
    """The tab, with no answers yet."""
    page = visit()
    page.get_by_role("tab", name="Rate").click()
    yield page
    for file in (project.root / "data").glob("*ratings.csv*"):
        file.unlink()


def begin(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Begin").click()


def answer(page: Page, *given: str) -> None:
    for question, text in zip(QUESTIONS.values(), given, strict=False):
        page.get_by_role("group", name=question).get_by_label(text).check()
    page.get_by_role("button", name="Save, and show the next").click()


def test_answers_are_saved_one_by_one_until_all_are(page, project):
    table = project.root / "data/ratings.csv"
    begin(page, "Ana")
    said = page.locator("#rate-said")
    expect(said).to_contain_text("0 of")
    # While Gradio works, its clock stands there, too.
    count = int(re.search(r"0 of (\d+)", said.inner_text())[1])
    answer(page, "Yes", "No")
    expect(said).to_contain_text("Answer all three questions")
    assert not table.exists()
    answer(page, "Yes", "No", "Yes")
    expect(said).to_contain_text(f"1 of {count} are rated by ana")
    ((_item, rater), given), *others = read_answers(table).items()
    assert rater == "ana" and list(given.values()) == [True, False, True] and others == []
    for n in range(2, count + 1):
        answer(page, "No", "No", "No")
        expect(said).to_contain_text(f"{n} of {count}")
    expect(said).to_contain_text("That was the last one")
    expect(page.get_by_role("button", name="Save, and show the next")).to_be_hidden()
    assert len(read_answers(table)) == count


def test_nothing_tells_whose_summary_it_is(page, project):
    """Neither what is seen nor what was sent: no name of a system, no id of a dialogue, no mark."""
    sent = []
    page.on("response", lambda response: sent.append(response))
    begin(page, "ben")
    expect(page.locator("#rate-item .card")).to_be_visible()
    inside = page.locator("#rate-item").inner_html()
    ids = [json.loads(line)["id"] for line in (project.root / "data/unsupported.jsonl").open()]
    for word in ("tuned", "base", "reference", "mark", *ids):
        assert word not in inside.lower().replace("&lt;", "")
    expect(page.locator("#rate-item .card h3")).to_have_text("Summary")


def test_raters_may_get_the_blind_sheet_alone(project, browser):
    """No other tab, no API, no model; and nothing in any answer tells whose a summary is."""
    adapter, aside = project.root / "models/adapter", project.root.parent / "adapter-aside"
    shutil.move(adapter, aside)
    app, rows = None, [json.loads(line) for line in (project.root / SPANS).open()]
    try:
        app = App(project, "--rate")
        with browser.new_context() as context:
            page, bodies = context.new_page(), []

            def note(route) -> None:
                response = route.fetch()
                bodies.append(response.text())
                route.fulfill(response=response)

            page.route("**/gradio_api/queue/data*", note)
            page.goto(app.url)
            begin(page, "eve")
            expect(page.locator("#rate-item .card")).to_be_visible()
            assert page.get_by_role("tab").count() == 0
            said = page.locator("#rate-said")
            expect(said).to_contain_text("0 of")
            answer(page, "Yes", "No", "Yes")
            expect(said).to_contain_text("1 of")
        config = httpx.get(f"{app.url}/config").text
        assert httpx.post(f"{app.url}/v1/summaries", json={"conversation": "a"}).status_code == 404
    finally:
        shutil.move(aside, adapter)
        app and app.stop()
        for file in (project.root / "data").glob("*ratings.csv*"):
            file.unlink()
    assert sum("<h2>Conversation</h2>" in text for text in bodies) >= 2
    ids = "|".join({re.escape(row["id"]) for row in rows})
    for text in (config, *bodies):
        assert not re.search(r"\b(tuned|base|reference)\b", text.lower())
    for text in bodies:
        assert not re.search(rf"\b({ids})\b", text)


@pytest.mark.parametrize("name", ["", "<b>x</b>", "x" * 61])
def test_a_name_that_is_none_is_said(page, name):
    begin(page, name)
    if len(name) > 60:  # the field takes no more
        expect(page.locator("#rate-item .card")).to_be_visible()
    else:
        expect(page.locator("#rate-said .error")).to_contain_text("is no name of a rater")
        assert page.locator("#rate-said b").count() == 0
