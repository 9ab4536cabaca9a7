"""The app as one process: models in a thread, page and API on a socket."""

import logging
import os
import socket
import threading
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from fastapi import FastAPI

from stages.params import Params
from tools.app import limits
from tools.app.api import build
from tools.app.guard import Guard
from tools.app.models import Models
from tools.app.service import Service


def serve(
    params: Params | None, base: bool, token: str | None, listening: socket.socket, where: str
) -> None:
    """Serve until a signal comes, or until it is clear that the models cannot be loaded.

    Without `params` there are neither models nor an API: the page is for raters alone.
    """
    service = params and Service(lambda: Models(params, base), limits.WAITING)
    if service:
        service.start()
    with TemporaryDirectory(prefix="summarizer-") as uploads:
        # Gradio reads them when it is imported.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": uploads}
        from tools.app.pages.page import mount

        api = build(service, bool(token)) if service else FastAPI(openapi_url=None)
        app = mount(api, service)
        listen_until_stopped(app, service, token, listening, where)
    if service and service.error:
        raise service.error


def listen_until_stopped(
    app: FastAPI, service: Service | None, token: str | None, listening: socket.socket, where: str
) -> None:
    config = uvicorn.Config(Guard(app, token), log_config=None, access_log=False, lifespan="on")
    config.timeout_graceful_shutdown = 5
    server = Server(config, service)
    if service:
        threading.Thread(target=watch, args=(service, server), daemon=True).start()
    loading = ", the model is being loaded" if service else ""
    print(f"app: {where} is ready{loading}; Ctrl-C stops it")
    try:
        server.run(sockets=[listening])
    finally:
        if service:
            service.stop()


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service | None):
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second Ctrl-C ends it at once; that all is cut off then is no news."""
        if self.should_exit:
            logging.getLogger("uvicorn.error").disabled = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever waits is told so before the connections are closed."""
        if self.service:
            self.service.refuse()
        await super().shutdown(sockets)


def watch(service: Service, server: uvicorn.Server) -> None:
    """Say when the model is there; end the server if it will never be."""
    service.loaded.wait()
    if service.error:
        server.should_exit = True
    else:
        print("app: the model is loaded")
