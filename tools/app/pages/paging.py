"""Lists of dialogues, some at a time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gradio as gr

from stages.common.cli import UserError
from tools.app import marks

AT_ONCE = 5
QUIET = {"api_visibility": "private", "show_progress": "minimal"}


class Listing(NamedTuple):
    head: str  # HTML above each page
    items: Sequence
    show: Callable[[object], str]  # an item as HTML


def paged(listing: Callable[..., Listing], inputs: list, name: str) -> Callable:
    """Buttons and the page they turn. `listing` takes the values of `inputs`.

    Returns a function that shows the first page upon an event.
    """
    with gr.Row(elem_classes="pager"):
        back = gr.Button("Previous", min_width=60, elem_id=f"{name}-previous")
        number = gr.Number(
            1, label="Page", precision=0, minimum=1, min_width=60, elem_id=f"{name}-page"
        )
        ahead = gr.Button("Next", min_width=60, elem_id=f"{name}-next")
    out = gr.HTML(elem_id=f"{name}-list", elem_classes="live")

    def turn(step: int) -> Callable:
        def to(page: float | None, *values) -> tuple[int, str]:
            return page_of(listing, int(page or 1) + step, values)

        return to

    back.click(turn(-1), [number, *inputs], [number, out], **QUIET)
    ahead.click(turn(1), [number, *inputs], [number, out], **QUIET)
    number.submit(turn(0), [number, *inputs], [number, out], **QUIET)

    def upon(event: Callable) -> None:
        event(lambda *values: page_of(listing, 1, values), inputs, [number, out], **QUIET)

    return upon


def page_of(listing: Callable[..., Listing], page: int, values: tuple) -> tuple[int, str]:
    """The number of the page that is shown, and its HTML; errors are shown as sentences."""
    try:
        found = listing(*values)
    except UserError as error:
        return 1, marks.sentence(error)
    count = len(found.items)
    pages = max(1, -(-count // AT_ONCE))
    page = min(max(page, 1), pages)
    start = (page - 1) * AT_ONCE
    items = [found.show(item) for item in found.items[start : start + AT_ONCE]]
    if items:
        place = f"{start + 1} to {start + len(items)} of {count} dialogues, page {page} of {pages}"
        found = found._replace(head=f"{found.head}<p>{place}</p>")
    return page, "".join([found.head, *items])
