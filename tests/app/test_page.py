"""The page in a real Chromium: by mouse, by keyboard alone, on a phone, and for a screen reader."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tools.app import marks

CHAT = "Customer: my parcel with order #48213 never came\nAgent: sorry, mail jo@example.com"
HACK = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
PHONE = {"width": 360, "height": 740}
TABS = ["Summarise", "Test split", "Compare", "Rate"]


expect.set_options(timeout=30_000)  # the machine may be busy


class Visit:
    """A page, what it asked for elsewhere, and what went wrong in it."""

    def __init__(self, browser, app, **options):
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.elsewhere, self.errors = [], []
        self.page.on("request", self.note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.goto(app.url)
        self.page.locator("#state .ready").wait_for()

    def note(self, request) -> None:
        if not request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
            self.elsewhere.append(request.url)


@pytest.fixture
def visit(browser, app):
    """Opens the page; at the end nothing may have gone wrong or elsewhere."""
    visits = []

    def open_page(**options) -> Page:
        visits.append(Visit(browser, app, **options))
        return visits[-1].page

    yield open_page
    for one in visits:
        assert one.elsewhere == [] and one.errors == []
        assert one.page.evaluate("window.hacked") is None
        one.context.close()


def summarise(page: Page, text: str) -> None:
    page.get_by_label("Conversation:").fill(text)
    page.get_by_role("button", name="Summarise").click()


def upload(page: Page, name: str, content: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a file").click()
    chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    if name == "Test split":
        page.locator("#browse-list .card").first.wait_for()
    if name == "Compare":
        page.get_by_label("Before").fill("HEAD~1")
        page.keyboard.press("Enter")
        page.locator("#compare").click()
        page.locator("#compare-list .card").first.wait_for()


def test_pasted_text_is_summarised_by_both_models(visit, app):
    page = visit()
    summarise(page, CHAT)
    cards = page.locator("#summaries .card")
    expect(cards).to_have_count(2)
    assert cards.locator("h3").all_inner_texts() == ["Tuned model", "Untuned base"]
    expect(page.locator("#summaries")).to_contain_text("Redacted: 1 email, 1 number.")
    assert page.locator("#summaries .redacted").all_inner_texts() == ["(number)", "(email)"]
    (row,) = app.post({"conversation": CHAT, "base": True}).json()["summaries"]
    for model, card in zip(("tuned", "base"), cards.all(), strict=True):
        marked = card.locator("mark").count()
        assert marked == len(row["unsupported"][model])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  \n", "Paste a conversation first"),
        ("Customer: @handle", "no words to summarise"),
        ('{"id": 1}\n{"id": 2}', "no conversation is found"),
        ("{\n", "no words to summarise"),
        ("Customer: " + "hi " * 40_000, "more than 100,000 characters"),
    ],
)
def test_what_cannot_be_summarised_is_a_sentence(visit, text, words):
    page = visit()
    summarise(page, text)
    expect(page.locator("#summaries .error").first).to_contain_text(words)


def test_json_of_any_layout_can_be_pasted(visit):
    page = visit()
    turns = [{"speaker": "Customer", "text": "late again"}, {"speaker": "Agent", "text": "sorry"}]
    for text in (json.dumps(turns, indent=2), json.dumps({"turns": turns})):
        summarise(page, text)
        expect(page.locator("#summaries .talk li")).to_have_text(
            ["Customer late again", "Agent sorry"]
        )
        page.get_by_label("Conversation:").fill("")
        page.get_by_role("button", name="Summarise").click()
        expect(page.locator("#summaries .error")).to_be_visible()


def test_html_in_a_conversation_is_text(visit):
    page = visit()
    turns = [{"speaker": HACK, "text": f"my parcel {HACK} never &lt;b&gt; came"}]
    summarise(page, json.dumps({"turns": turns}))
    expect(page.locator("#summaries .card")).to_have_count(2)
    assert page.locator("#summaries :is(img, script)").count() == 0
    upload(page, "<img src=x onerror=hacked=1>.jsonl", b'{"id": "<b>x</b>"}\n')
    expect(page.locator("#summaries .error")).to_be_visible()
    assert page.locator("#summaries :is(img, b)").count() == 0
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("Before").fill(HACK)
    page.keyboard.press("Enter")
    page.locator("#compare").click()
    expect(page.locator("#compare-list .error")).to_contain_text("no commit of this clone")
    assert page.locator("#compare-list img").count() == 0


def test_marks_escape_and_name_their_kind():
    spans = [{"start": 0, "end": 3, "kind": "word"}, {"start": 8, "end": 9, "kind": "<i>"}]
    html = marks.marked("<b> and 5\n&", spans)
    assert html == (
        "<mark>&lt;b&gt;<small>new word</small></mark> and <mark>5<small>&lt;i&gt;</small></mark>"
        "<br>&amp;"
    )
    turns = [{"speaker": None, "text": "<x> (phone)"}, {"speaker": "<y>", "text": None}]
    assert marks.talk(turns) == (
        '<ol class="talk"><li>&lt;x&gt; <b class="redacted">(phone)</b></li>'
        "<li><strong>&lt;y&gt;</strong> </li></ol>"
    )


def test_files_of_any_kind_are_read_and_none_is_kept(visit, app):
    page = visit()
    (uploads,) = app.project.root.parent.glob("summarizer-*")

    def kept() -> set[Path]:
        return {path for path in uploads.rglob("*") if path.is_file()}

    before = kept()  # of a test that uploads without reading: the sweep's
    table = "id,conversation\n1,Customer: café fermé\n2,\n3,Agent: très bien\n"
    upload(page, "chats.csv", table.encode("cp1252"))
    titles = page.locator("#summaries h2").filter(has_text=re.compile("^Conversation"))
    expect(titles).to_have_count(3)
    expect(page.locator("#summaries")).to_contain_text("café fermé")
    expect(page.locator("#summaries .error")).to_contain_text("row 2: ")
    many = "".join(json.dumps({"conversation": f"Customer: case {n}"}) + "\n" for n in range(30))
    upload(page, "many.jsonl", many.encode())
    expect(page.locator("#summaries .notice").first).to_contain_text("more than 20 conversations")
    expect(titles).to_have_count(20)
    for name, content, words in (
        ("chat.txt", "Клиент: где моя посылка, уже неделя".encode("koi8-r"), "is not UTF-8"),
        ("empty.txt", b"", "empty.txt is empty"),
        ("broken.parquet", b"PAR1 no table", "broken.parquet"),
        ("picture.png", bytes(range(256)) * 9, "is not a text file"),
    ):
        upload(page, name, content)
        expect(page.locator("#summaries .error")).to_contain_text(words)
    assert kept() <= before


def test_the_test_split_is_shown_worst_first(visit, project):
    page = visit()
    open_tab(page, "Test split")
    listed = page.locator("#browse-list")
    expect(listed).to_contain_text("1 to 5 of 5 dialogues, page 1 of 1")
    row = json.loads((project.root / "data/unsupported.jsonl").read_text().splitlines()[0])
    article = listed.locator("article", has_text=row["id"])
    assert article.locator(".card mark").count() >= len(row["unsupported"])
    assert article.locator(".refs li").count() == 2
    bleu = "() => [...document.querySelectorAll('#browse-list tbody tr:first-child td:nth-child(2)')].map(c => +c.innerText)"
    worst = page.evaluate(bleu)
    assert worst == sorted(worst)
    page.get_by_label("Best first").check()
    page.wait_for_function(
        f"JSON.stringify(({bleu})()) == '{json.dumps(worst[::-1])}'.replaceAll(', ', ',').replaceAll('.0', '')"
    )


def test_two_commits_are_compared_dialogue_by_dialogue(visit, project):
    page = visit()
    open_tab(page, "Compare")
    listed = page.locator("#compare-list")
    expect(listed).to_contain_text("over the 5 dialogues of both, from HEAD~1")
    article = listed.locator("article").first
    id_ = article.locator("h2").inner_text().removeprefix("Dialogue ")
    old = json.loads(project.run("git", "show", "HEAD~1:metrics/score.json").stdout)
    new = json.loads((project.root / "metrics/score.json").read_text())
    expect(listed).to_contain_text(f"BLEU {old['tuned']['bleu']:.1f} → {new['tuned']['bleu']:.1f}")
    lines = (project.root / "data/summaries/tuned.jsonl").read_text().splitlines()
    summary = {row["id"]: row["summary"] for row in map(json.loads, lines)}[id_]
    shown = article.locator(".card").nth(1).locator("p").first
    text = shown.evaluate(
        "p => { p = p.cloneNode(true); p.querySelectorAll('small').forEach(s => s.remove()); return p.textContent }"
    )
    assert "".join(text.split()) == "".join(summary.split())
    page.get_by_label("After").fill("nowhere")
    page.keyboard.press("Enter")
    page.locator("#compare").click()
    expect(listed.locator(".error")).to_contain_text("'nowhere' is no commit")


def press_to(page: Page, target) -> None:
    """Tab until the target has the focus, which is seen."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("e => e === document.activeElement"):
            break
    expect(target).to_be_focused()
    outline = target.evaluate(
        "e => [getComputedStyle(e).outlineStyle, getComputedStyle(e).boxShadow]"
    )
    assert outline[0] != "none" or outline[1] != "none"


def test_all_of_it_goes_by_keyboard(visit):
    page = visit()
    press_to(page, page.get_by_label("Conversation:"))
    page.keyboard.type("Customer: my parcel never came")
    press_to(page, page.get_by_role("button", name="Summarise"))
    page.keyboard.press("Enter")
    expect(page.locator("#summaries .card")).to_have_count(2)
    press_to(page, page.locator("#summaries summary"))
    page.keyboard.press("Enter")
    expect(page.locator("#summaries .talk")).to_be_hidden()
    page.get_by_role("tab", name="Summarise").focus()
    press_to(page, page.get_by_role("tab", name="Test split"))
    page.keyboard.press("Enter")
    page.locator("#browse-list .card").first.wait_for()
    press_to(page, page.get_by_label("Sort by"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#browse-list thead strong").first).to_have_text("Numbers held")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_all_is_named(visit, scheme):
    """axe finds what has no name, too little contrast, or headings out of order."""
    page = visit(viewport=PHONE, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    summarise(page, CHAT)
    expect(page.locator("#summaries .card")).to_have_count(2)
    for name in TABS:
        open_tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.wait_for_timeout(500)  # colours fade
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert page.title() == "Conversation summarizer"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#summaries").get_attribute("aria-live") == "polite"
