"""The blind sheet as a page: one summary at a time, and nothing that tells whose it is."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.app.test_page import visit  # noqa: F401, a fixture
from tools.ratings.answers import QUESTIONS, read_answers


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
    count = int(said.inner_text().split()[2])
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


@pytest.mark.parametrize("name", ["", "<b>x</b>", "x" * 61])
def test_a_name_that_is_none_is_said(page, name):
    begin(page, name)
    if len(name) > 60:  # the field takes no more
        expect(page.locator("#rate-item .card")).to_be_visible()
    else:
        expect(page.locator("#rate-said .error")).to_contain_text("is no name of a rater")
        assert page.locator("#rate-said b").count() == 0
