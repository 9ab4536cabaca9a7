"""The page: its tabs, and how Gradio has to behave so that nothing is kept and nothing leaves.

Before Gradio is imported, the environment names a folder for uploads: see `tools.app.server`.
"""

from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from tools.app import limits
from tools.app.pages import browse, compare, rate, summarise
from tools.app.service import Service

TITLE = "Conversation summarizer"
STYLE = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("page.js")
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
# Dark enough for white letters.
BUTTONS = {
    f"button_primary_background_fill{state}{mode}": colour
    for state, colour in (("", "*primary_600"), ("_hover", "*primary_700"))
    for mode in ("", "_dark")
}
SWEEP = (60, 60)  # seconds: how often uploads that nobody read are removed, and from what age


def mount(app: FastAPI, service: Service | None) -> FastAPI:
    """`app` with the page at its root; without a service it is the raters' alone."""
    theme = gr.themes.Default(
        primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace",)
    ).set(**BUTTONS)
    return gr.mount_gradio_app(
        app,
        build(service) if service else build_for_raters(),
        path="/",
        theme=theme,
        css=STYLE.read_text(encoding="utf-8"),
        js=SCRIPT.read_text(encoding="utf-8"),
        max_file_size=limits.BODY,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        show_error=False,
    )


def build(service: Service) -> gr.Blocks:
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=SWEEP) as blocks:
        gr.HTML(f"<h1>{TITLE}</h1>", elem_id="title")
        state = gr.HTML(lambda: status(service), elem_id="state", elem_classes="live")
        timer = gr.Timer(1)
        with gr.Tabs():
            with gr.Tab("Summarise"):
                summarise.tab(service)
            with gr.Tab("Test split") as split:
                browse.tab(split)
            with gr.Tab("Compare") as two:
                compare.tab(two)
            with gr.Tab("Rate"):
                rate.tab()
        timer.tick(
            lambda: (status(service), gr.Timer(active=service.state == "loading")),
            outputs=[state, timer],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    return queued(blocks)


def build_for_raters() -> gr.Blocks:
    """The blind sheet without the tabs that tell whose a summary is."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=SWEEP) as blocks:
        gr.HTML(f"<h1>{TITLE}</h1>", elem_id="title")
        rate.tab()
    return queued(blocks)


def queued(blocks: gr.Blocks) -> gr.Blocks:
    return blocks.queue(max_size=limits.WAITING, default_concurrency_limit=32, api_open=False)


def status(service: Service) -> str:
    words = {
        "loading": "The model is being loaded. You can look at the other tabs meanwhile.",
        "ready": "The model is ready. Nothing that you paste or upload is kept.",
        "failed": "The model could not be loaded; the terminal says why.",
    }
    return f"<p class='{service.state}'>{words[service.state]}</p>"
