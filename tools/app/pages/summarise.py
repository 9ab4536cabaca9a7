"""The tab where a conversation is pasted or uploaded and summarised."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import gradio as gr

from stages.common.cli import UserError
from tools.app import limits, marks
from tools.app.models import Models
from tools.app.reading import Found, read_file, read_pasted
from tools.app.service import Busy, NotReady, Service

EXAMPLE = """Customer: Hi, my parcel with order #48213 never came. It should have been here on 3 May.
Agent: Sorry to hear that! Can you DM us your e-mail address?
Customer: It is jo@example.com, and my phone is +44 7700 900123.
Agent: Thank you. The depot found it, and you will have it by Friday."""
LABEL = "Conversation: a turn a line, opened by the speaker's name; or JSON"


def tab(service: Service) -> None:
    text = gr.Textbox(label=LABEL, lines=8, max_lines=20, max_length=limits.BODY)
    with gr.Row():
        button = gr.Button("Summarise", variant="primary", min_width=150, elem_id="summarise")
        upload = gr.UploadButton("Upload a file", min_width=150, elem_id="upload")
        # Its own way to a path leaves an empty file behind.
    upload._process_single_file = lambda data: data.path
    example = gr.Button("Fill in an example", min_width=150, elem_id="example")
    out = gr.HTML(elem_id="summaries", elem_classes="live")
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    example.click(None, outputs=text, js=f"() => {json.dumps(EXAMPLE)}", **quiet)

    # Gradio shows each step of what it sees to be a generator.
    def pasted(given: str) -> Iterator[str]:
        yield from of_text(service, given)

    def uploaded(path: str) -> Iterator[str]:
        yield from of_file(service, path)

    button.click(pasted, text, out, **quiet)
    upload.upload(uploaded, upload, out, **quiet)


def of_text(service: Service, text: str) -> Iterator[str]:
    if not text.strip():
        yield marks.notice("Paste a conversation first, or fill in the example.", "error")
        return
    yield from steps(service, lambda models: read_pasted(text, models.params.clean, limits.SHOWN))


def of_file(service: Service, path: str) -> Iterator[str]:
    """The copy that the browser has sent is read once and removed."""
    file = Path(path)
    try:
        content = file.read_bytes()
        shutil.rmtree(file.parent)
    except FileNotFoundError:  # somebody else sent the same at the same time
        yield marks.notice(f"{file.name} is gone: upload it again.", "error")
        return
    if not content:
        yield marks.notice(f"{file.name} is empty.", "error")
        return
    read = lambda models: read_file(file.name, content, models.params.clean, limits.SHOWN)
    yield from steps(service, read)


def steps(service: Service, read) -> Iterator[str]:
    """What the page shows, one after the other: waiting, and then summaries or an error."""
    try:
        while service.state == "loading":
            yield marks.notice("The model is being loaded …", "busy")
            service.loaded.wait(1)
        models = service.ready()
        yield marks.notice("Reading …", "busy")
        found, redacted = read(models)
        more, found = len(found) > limits.SHOWN, found[: limits.SHOWN]
        good = [one for one in found if one.conversation and not too_long(one)]
        futures = service.ask([one.conversation.text for one in good], tuple(models.models))
        yield from progress(futures)
        written = [future.result() for future in futures]
        yield page(models, found, dict(zip(map(id, good), written, strict=True)), redacted, more)
    except (UserError, NotReady, Busy) as error:
        yield marks.sentence(error)
    except Exception:
        yield marks.notice("This failed: the terminal says why.", "error")
        raise


def progress(futures: list[Future]) -> Iterator[str]:
    started = time.monotonic()
    while wait(futures, timeout=1).not_done:
        seconds = round(time.monotonic() - started)
        yield marks.notice(f"Summarising … {seconds} s", "busy")


def too_long(one: Found) -> bool:
    return len(one.conversation.text) > limits.CHARACTERS


def page(
    models: Models, found: list[Found], written: dict[int, dict], redacted: Counter, more: bool
) -> str:
    """Summaries side by side, above what the models were given."""
    parts = []
    if more:
        text = f"The file holds more than {limits.SHOWN} conversations: these are the first."
        parts.append(marks.notice(f"{text} For all of them: python -m tools.summarize FILE"))
    if models.marker is None:
        text = (
            "Nothing is marked: data/clean/train.parquet, which the check learns from, is absent."
        )
        parts.append(marks.notice(text))
    for one in found:
        title = "Summary" if len(found) == 1 else f"Conversation {one.id}"
        parts.append(f"<article><h2>{marks.escape(title)}</h2>")
        if one.fault or too_long(one):
            most = f"it has more than {limits.CHARACTERS:,} characters"
            parts.append(marks.notice(f"{one.place}: {one.fault or most}.", "error"))
        else:
            alone = len(found) == 1
            parts.append(result(models, one, written[id(one)], redacted if alone else None))
        parts.append("</article>")
    if len(found) > 1:
        parts.append(f"<p>Redacted in all: {marks.listed(redacted) or 'nothing'}.</p>")
    return "".join([*parts, marks.LEGEND])


def result(models: Models, one: Found, summaries: dict, redacted: Counter | None) -> str:
    spans = models.unsupported(one.conversation, summaries)
    cards = [
        marks.summary_card(marks.NAMES[name], text, spans and spans[name])
        for name, text in summaries.items()
    ]
    parts = [marks.side_by_side(cards)]
    if cut := models.tokens_cut(one.conversation.text):
        text = f"The models did not see {cut} tokens in the middle: a prompt has at most"
        parts.append(marks.notice(f"{text} {models.params.format_prompts.max_prompt_tokens}."))
    if redacted is not None:
        parts.append(f"<p><strong>Redacted:</strong> {marks.listed(redacted) or 'nothing'}.</p>")
    turns = marks.talk(one.conversation.turns, models.params.clean.redaction.patterns)
    parts.append(marks.folded("What the models were given", turns, is_open=True))
    return "".join(parts)
