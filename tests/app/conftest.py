"""The app as a process, as a user starts it, over a project with a tiny model; a browser."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

for name in ("gradio", "fastapi_offline", "playwright"):
    pytest.importorskip(name, reason="`make test-app` installs it")

import httpx  # gradio brings it

from tests.helpers.project import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class App:
    """`python -m tools.app` on a port of its own."""

    def __init__(self, project: Project, *arguments: str, **environment: str):
        self.project = project
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.app", "--port", "0", *arguments],
            cwd=project.root,
            # Uploads lie below TMPDIR, where the tests look for what is left of them.
            env=project.environment | {"TMPDIR": str(project.root.parent)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline()
        assert self.said.startswith("app: http://"), self.said + self.process.stderr.read()
        self.url = self.said.split()[1]

    def wait(self) -> "App":
        deadline = time.monotonic() + 120
        while httpx.get(f"{self.url}/health").status_code != 200:
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.1)
        return self

    def post(self, body: object, **options) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        content = json.dumps(body)  # escapes lone surrogates, which httpx does not
        url = f"{self.url}/v1/summaries"
        return httpx.post(url, content=content, headers=headers, timeout=120, **options)

    def stop(self) -> str:
        """What it says on stderr when it is ended as by Ctrl-C."""
        self.process.terminate()
        return self.process.communicate(timeout=60)[1]


@pytest.fixture(scope="session")
def project(reproduced) -> Project:
    """In fp32, where a batch changes no summary; its last commit writes longer summaries."""
    reproduced.params(**{"model.precision": "fp32", "generate.max_new_tokens": 12})
    reproduced.dvc("repro")
    reproduced.run("git", "commit", "-qam", "longer")
    return reproduced


@pytest.fixture(scope="session")
def app(project):
    app = App(project).wait()
    yield app
    app.stop()


@pytest.fixture(scope="package")  # while it is there, other tests have no asyncio.run
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
