"""How the app starts and ends, and who is let in."""

import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.app.conftest import App
from tools.app.__main__ import is_loopback

TOKEN = "0123456789abcdef-x"


@pytest.fixture(scope="module")
def guarded(project):
    app = App(project, "--host", "0.0.0.0", "--no-base", SUMMARIZER_TOKEN=TOKEN)
    app.url = app.url.replace("0.0.0.0", "127.0.0.1")
    yield app
    app.stop()


def start(project, *arguments: str, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "tools.app", *arguments],
        cwd=project.root,
        env=project.environment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,  # it must not serve
    )


def test_without_a_model_it_is_one_sentence(project):
    adapter = project.root / "models/adapter"
    shutil.move(adapter, project.root / "elsewhere")
    try:
        done = start(project)
    finally:
        shutil.move(project.root / "elsewhere", adapter)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "error: models/adapter does not exist: run `make repro` first\n"


def test_a_base_of_another_kind_ends_it_with_the_sentence(project):
    config = project.root / "models/base/config.json"
    text = config.read_text()
    config.unlink()  # DVC's cache may have the same file
    config.write_text(text.replace("2048", "4096"))
    try:
        done = start(project, "--port", "0")
    finally:
        config.write_text(text)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: models/base is not the model that")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (["--host", "0.0.0.0"], "", "--host 0.0.0.0 lets others in: set SUMMARIZER_TOKEN"),
        (["--host", "::"], "", "set SUMMARIZER_TOKEN"),
        ([], "short", "SUMMARIZER_TOKEN has 5 characters: 16 or more"),
        ([], "0123456789abcdef-ü", "characters that no HTTP header takes"),
        (["--port", "70000"], "", "--port 70000 is no port"),
        (["--host", "no.such.host.invalid"], TOKEN, "cannot listen on no.such.host.invalid"),
    ],
)
def test_what_cannot_be_is_one_sentence(project, arguments, token, words):
    done = start(project, *arguments, SUMMARIZER_TOKEN=token)
    assert done.returncode == 1 and words in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_named(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = start(project, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "Address already in use; see --host and --port" in done.stderr


def test_loopback_is_known_by_all_its_names():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.com", "")))


def test_it_serves_while_the_model_loads_and_leaves_nothing_behind(project):
    app = App(project)
    early = app.post({"conversation": "Customer: hi there"})
    assert early.status_code in (200, 503)
    if early.status_code == 503:
        assert early.headers["Retry-After"] and "being loaded" in early.json()["error"]["message"]
    assert httpx.get(app.url).status_code == 200
    app.wait()
    left = [*project.root.parent.glob("summarizer-*")]
    assert app.stop().splitlines()[-1] == "error: stopped"
    assert app.process.returncode == 143
    assert len([*project.root.parent.glob("summarizer-*")]) == len(left) - 1
    changed = project.run("git", "status", "--porcelain").stdout
    assert changed == ""


def test_a_second_ctrl_c_ends_it_with_the_same_sentence(project):
    app = App(project, "--rate")
    with httpx.stream("GET", f"{app.url}/gradio_api/heartbeat/x", timeout=30) as page:
        next(page.iter_raw())  # an open page, which a first Ctrl-C waits for
        app.process.send_signal(signal.SIGINT)
        with pytest.raises(OSError):
            while True:
                socket.create_connection(("127.0.0.1", httpx.URL(app.url).port)).close()
        app.process.send_signal(signal.SIGINT)
        said = app.process.communicate(timeout=30)[1]
    assert said == "error: stopped\n" and app.process.returncode == 130


def test_the_api_asks_for_the_token(guarded):
    url, body = f"{guarded.url}/v1/summaries", {"conversation": "Customer: hi there"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        answer = httpx.post(url, json=body, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
        assert "token" in answer.json()["error"]["message"]
    guarded_headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.post(url, json=body, headers=guarded_headers).status_code in (200, 503)
    elsewhere = guarded_headers | {"Host": "summaries.example.com"}
    assert httpx.post(url, json=body, headers=elsewhere).status_code in (200, 503)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/config", "/gradio_api/upload", "/health", "/assets/"]
)
def test_everything_asks_for_it(guarded, path):
    assert httpx.get(guarded.url + path).status_code == 401
    assert httpx.post(guarded.url + path).status_code == 401


def test_the_page_asks_for_it_once(guarded):
    with httpx.Client(base_url=guarded.url, headers={"Accept": "text/html"}) as client:
        sent = client.get("/")
        assert sent.status_code == 303 and sent.headers["Location"] == "/login"
        assert 'type="password"' in client.get("/login").text
        wrong = client.post("/login", data={"token": "<b>wrong</b>"})
        assert wrong.status_code == 401 and "<b>" not in wrong.text and not client.cookies
        assert client.post("/login", data={"token": TOKEN}).status_code == 303
        (cookie,) = client.cookies.jar
        assert cookie.has_nonstandard_attr("HttpOnly") and TOKEN not in cookie.value
        assert client.get("/").status_code == 200
        assert client.get("/docs").status_code == 200


def test_a_model_that_is_not_loaded_is_named(guarded):
    guarded_headers = {"Authorization": f"Bearer {TOKEN}"}
    while httpx.get(f"{guarded.url}/health", headers=guarded_headers).status_code != 200:
        assert guarded.process.poll() is None
    body = {"conversation": "Customer: hi there", "base": True}
    answer = httpx.post(f"{guarded.url}/v1/summaries", json=body, headers=guarded_headers)
    assert answer.status_code == 422 and "base model is not loaded" in answer.text


def test_a_browser_that_knows_the_token_can_work(guarded, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(guarded.url)
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("That is not the token.").wait_for()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("#state .ready").wait_for()
        page.get_by_label("Conversation:").fill("Customer: late again")
        page.get_by_role("button", name="Summarise").click()
        page.locator("#summaries .card").wait_for()
        assert page.locator("#summaries .card").count() == 1, "the base is not loaded"
