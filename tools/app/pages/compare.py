"""The tab that compares the tuned summaries of two commits or experiments, dialogue by dialogue."""

from functools import partial

import gradio as gr

from stages.common.cli import UserError
from tools.app import marks
from tools.app.changed import HERE, Change, Comparison, Side, compare, names, read_side
from tools.app.pages.browse import references, rounded
from tools.app.pages.paging import Listing, paged
from tools.app.split import BLEU, MEASURES, Dialogue, read_split

INTRO = (
    "<p>What a change did to each summary of the tuned model. Scores come from Git, summaries from"
    " this machine's DVC cache. Choose a branch, a tag or an experiment, or type any commit.</p>"
)


def tab(own: gr.Tab) -> None:
    gr.HTML(INTRO)
    choices = {"allow_custom_value": True, "interactive": True}
    with gr.Row():
        before = gr.Dropdown([HERE, "HEAD"], value="HEAD", label="Before", **choices)
        after = gr.Dropdown([HERE, "HEAD"], value=HERE, label="After", **choices)
    with gr.Row():
        found = [(name, key) for key, name in MEASURES.items()]
        key = gr.Dropdown(found, value=BLEU, label="Change of")
        order = gr.Radio(
            ["Most lost first", "Most gained first"], value="Most lost first", label="Order"
        )
    button = gr.Button("Compare", variant="primary", elem_id="compare")
    own.select(known, outputs=[before, after], show_progress="hidden", api_visibility="private")
    upon = paged(listing, [before, after, key, order], "compare")
    for event in (button.click, key.change, order.change):
        upon(event)


def known() -> tuple[dict, dict]:
    """The names to choose from, as they are now."""
    try:
        found = names()
    except UserError:
        found = [HERE]
    return gr.Dropdown(choices=found), gr.Dropdown(choices=found)


def listing(before: str | None, after: str | None, key: str, order: str) -> Listing:
    sides = [read_side(name or HERE) for name in (before, after)]
    found = compare(*sides, key, order == "Most lost first")
    try:
        here = {one.id: one for one in read_split()}
    except UserError:
        here = {}
    show = partial(show_change, found=found, here=here, key=key)
    return Listing(head(found), found.changed, show)


def head(found: Comparison) -> str:
    one, other = (marks.escape(str(side.revision)) for side in (found.before, found.after))
    same = len(found.common) - len(found.changed)
    text = (
        f"<p><strong>Corpus BLEU {found.bleu[0]:.1f} → {found.bleu[1]:.1f}</strong> over the"
        f" {len(found.common)} dialogues of both, from {one} to {other}. {same} of them are the same."
        " <code>python -m tools.compare</code> tells whether it is more than chance.</p>"
    )
    parts = [text]
    for side in (found.before, found.after):
        if side.summaries is None:
            text = (
                f"The summaries of {side.revision} are not on this machine: these are its scores."
            )
            parts.append(marks.notice(text))
    return "".join([*parts, marks.LEGEND])


def show_change(one: Change, found: Comparison, here: dict[str, Dialogue], key: str) -> str:
    by = "" if one.by is None else f", {one.by:+.2f}"
    by += " of the corpus" if by and key == BLEU else ""
    parts = [
        f"<article><h2>Dialogue {marks.escape(one.id)}</h2>",
        f"<p>{MEASURES[key]}: {rounded(one.before)} → {rounded(one.after)}{by}</p>",
        marks.side_by_side(
            [card("Before", found.before, one.id), card("After", found.after, one.id)]
        ),
    ]
    if dialogue := here.get(one.id):
        turns = marks.talk(dialogue.turns)
        title = "Conversation and references, as in the working tree"
        parts.append(marks.folded(title, turns + references(dialogue)))
    return "".join([*parts, "</article>"])


def card(title: str, side: Side, id_: str) -> str:
    title = f"{title}: {side.revision.name}"
    if side.summaries is None:
        return marks.card(title, "<em>not on this machine</em>")
    spans = None if side.spans is None else side.spans.get(id_, [])
    return marks.summary_card(title, side.summaries.get(id_, ""), spans)
