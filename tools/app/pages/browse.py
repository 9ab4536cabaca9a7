"""The tab with the test split: what was summarised best and worst, beside what people wrote."""

from functools import partial

import gradio as gr

from tools.app import marks
from tools.app.pages.paging import Listing, paged
from tools.app.split import KEYS, MEASURES, Dialogue, ordered, read_split

INTRO = (
    "<p>The test split as it was scored last: BLEU of the single dialogue, and how much of each"
    " summary its conversation holds, in per cent (density in words).</p>"
)


def tab(own: gr.Tab) -> None:
    gr.HTML(INTRO)
    with gr.Row():
        key = gr.Dropdown(
            [(name, key) for key, name in KEYS.items()], value="bleu", label="Sort by"
        )
        model = gr.Radio(
            [("Tuned", "tuned"), ("Base", "base")], value="tuned", label="Summaries of"
        )
        order = gr.Radio(["Worst first", "Best first"], value="Worst first", label="Order")
    inputs = [key, model, order]
    upon = paged(listing, inputs, "browse")
    for event in (own.select, *(one.change for one in inputs)):
        upon(event)


def listing(key: str, model: str, order: str) -> Listing:
    found = ordered(read_split(), key, model, order == "Worst first")
    return Listing(marks.LEGEND, found, partial(show, key=key))


def show(one: Dialogue, key: str = "bleu") -> str:
    cards = [
        marks.summary_card(marks.NAMES[name], text, one.spans[name])
        for name, text in one.summaries.items()
    ]
    return "".join(
        [
            f"<article><h2>Dialogue {marks.escape(one.id)}</h2>",
            figures(one, key),
            marks.side_by_side(cards),
            references(one),
            marks.folded(f"Conversation, {one.words} words", marks.talk(one.turns)),
            "</article>",
        ]
    )


def references(one: Dialogue) -> str:
    items = "".join(f"<li>{marks.shown(text)}</li>" for text in one.references)
    return f'<h3>References</h3><ul class="refs">{items}</ul>'


def figures(one: Dialogue, key: str) -> str:
    """A row a model, a column a measure; the one that is sorted by is set off."""
    names = [name for name in MEASURES if any(name in row for row in one.figures.values())]
    head = "".join(f'<th scope="col">{tag(MEASURES[name], name == key)}</th>' for name in names)
    rows = [
        f'<tr><th scope="row">{marks.NAMES[model]}</th>'
        + "".join(f"<td>{tag(rounded(values.get(name)), name == key)}</td>" for name in names)
        + "</tr>"
        for model, values in one.figures.items()
    ]
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    name = f"Figures of {marks.escape(one.id)}"
    return f'<div class="figures" tabindex="0" role="region" aria-label="{name}">{table}</div>'


def tag(text: str, strong: bool) -> str:
    return f"<strong>{text}</strong>" if strong else text


def rounded(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
