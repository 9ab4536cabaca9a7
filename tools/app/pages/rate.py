"""The tab where people rate summaries, one at a time, without knowing whose they are."""

from functools import lru_cache

import gradio as gr

from stages.common.cli import UserError
from stages.score import CLEAN
from tools.app import marks
from tools.ratings.answers import (
    QUESTIONS,
    is_complete,
    next_item,
    rater_name,
    read_answers,
    save_answers,
)
from tools.ratings.items import SYSTEMS, Item, read_items, summary_file

DIALOGUES = 50  # of the test split, as in a sheet
QUIET = {"api_visibility": "private", "show_progress": "minimal"}
CHOICES = {"Yes": True, "No": False}
INTRO = (
    "<p>Read a conversation and one summary, and answer three questions. The page does not tell who"
    " or what wrote the summary. Answers are kept in <code>data/ratings.csv</code>;"
    " <code>python -m tools.ratings score</code> counts them.</p>"
)


def tab() -> None:
    gr.HTML(INTRO)
    with gr.Row(elem_classes="pager"):
        rater = gr.Textbox(label="Your name", max_lines=1, max_length=60, min_width=120)
        begin = gr.Button("Begin", variant="primary", min_width=60, elem_id="begin")
    said = gr.HTML(elem_id="rate-said", elem_classes="live")
    shown = gr.HTML(elem_id="rate-item")
    item = gr.Textbox(visible=False)
    radios = [
        gr.Radio([*CHOICES], label=text, visible=False, elem_id=f"rate-{name}")
        for name, text in QUESTIONS.items()
    ]
    save = gr.Button(
        "Save, and show the next", variant="primary", visible=False, elem_id="rate-save"
    )
    outputs = [said, shown, item, *radios, save]
    begin.click(first, rater, outputs, **QUIET)
    rater.submit(first, rater, outputs, **QUIET)
    save.click(keep, [rater, item, *radios], outputs, **QUIET)


def first(rater: str) -> list:
    try:
        return following(rater_name(rater or ""))
    except UserError as error:
        return view(marks.sentence(error))


def keep(rater: str, id_: str, *given: str | None) -> list:
    """Save the answers to one item and show the next. What is missing is said, nothing is lost."""
    try:
        rater = rater_name(rater or "")
        if None in given:
            text = "Answer all three questions: nothing is saved yet."
            return [marks.notice(text, "error"), *[gr.skip()] * (len(given) + 3)]
        if id_ not in {item.id for item in items()}:
            raise UserError("the summaries have changed meanwhile: begin again")
        answer = dict(zip(QUESTIONS, (CHOICES[text] for text in given), strict=True))
        save_answers({(id_, rater): answer})
        return following(rater)
    except UserError as error:
        return view(marks.sentence(error))


def following(rater: str) -> list:
    """The first item that the rater has not answered, and how many there are."""
    answers, found = read_answers(), items()
    done = sum(is_complete(answers.get((item.id, rater))) for item in found)
    count = f"{done} of {len(found)} are rated by {rater}."
    item = next_item(found, answers, rater)
    if item is None:
        return view(marks.notice(f"{count} That was the last one: thank you."))
    return view(marks.notice(count), item)


def view(said: str, item: Item | None = None) -> list:
    """What the parts of the tab become; without an item there is nothing to answer."""
    there = item is not None
    radios = [gr.Radio(value=None, visible=there) for _ in QUESTIONS]
    return [
        said,
        show(item) if there else "",
        item.id if there else "",
        *radios,
        gr.Button(visible=there),
    ]


def show(item: Item) -> str:
    turns = f"<h2>Conversation</h2>{marks.talk(item.turns)}"
    return f"<article>{turns}{marks.card('Summary', marks.shown(item.summary))}</article>"


def items() -> list[Item]:
    files = [CLEAN, *(summary_file(name) for name in SYSTEMS if name != "reference")]
    return _items(tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))


@lru_cache(maxsize=1)
def _items(_changed: tuple[int, ...]) -> list[Item]:
    return read_items(dialogues=DIALOGUES)
