"""The queue: batches, order, a limit, and a conversation that the model fails on."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from stages.common.cli import UserError
from stages.params import load
from tools.app.api import build
from tools.app.server import Server
from tools.app.service import Busy, NotReady, Service


class Slow:
    """Writes a text in capitals, once `go` is set; and remembers its batches."""

    def __init__(self, batch_size: int = 4):
        generate = SimpleNamespace(batch_size=batch_size)
        self.params = SimpleNamespace(generate=generate, clean=load().clean)
        self.models = {"tuned": None, "base": None}
        self.go, self.at_work, self.batches = threading.Event(), threading.Event(), []

    def write(self, texts: list[str], wanted: list[tuple]) -> list[dict]:
        self.at_work.set()
        self.go.wait(10)
        self.batches.append(texts)
        if "bad" in texts:
            raise UserError("a prompt does not fit in memory")
        return [
            {name: text.upper() for name in names}
            for text, names in zip(texts, wanted, strict=True)
        ]


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def service(slow):
    service = Service(lambda: slow, waiting=6)
    service.start()
    service.loaded.wait(10)
    yield service
    slow.go.set()
    service.stop()


def occupy(service: Service, slow: Slow):
    """A conversation that the model is at."""
    (future,) = service.ask(["first"], ["tuned"])
    while not future.running():
        pass
    return future


def test_what_waits_is_one_batch_and_each_gets_its_own(service, slow):
    first = occupy(service, slow)
    futures = [
        service.ask([text], names)[0] for text, names in zip("abcde", ["tb"] * 5, strict=True)
    ]
    futures += service.ask(["f"], ["tuned", "base"])
    slow.go.set()
    assert first.result(10) == {"tuned": "FIRST"}
    assert futures[-1].result(10) == {"tuned": "F", "base": "F"}
    assert slow.batches == [["first"], ["a", "b", "c", "d"], ["e", "f"]]


def test_a_full_queue_refuses_all_of_a_request_and_says_when_to_come_back(service, slow):
    occupy(service, slow)
    kept = service.ask(list("abcde"), ["tuned"])
    with pytest.raises(Busy) as busy:
        service.ask(["x", "y"], ["tuned"])
    assert busy.value.seconds >= 1
    kept += service.ask(["f"], ["tuned"])
    slow.go.set()
    assert [future.result(10)["tuned"] for future in kept] == list("ABCDEF")


def test_a_full_queue_is_a_status_with_the_seconds(service, slow):
    occupy(service, slow)
    service.ask(list("abcdef"), ["tuned"])
    service.paces.extend([4.0, 6.0])
    with TestClient(build(service, False)) as client:
        answer = client.post("/v1/summaries", json={"conversation": "Customer: hi there"})
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "30"
        assert answer.json()["error"]["message"] == "the queue is full: try again in 30 seconds"
        assert client.get("/health").json() == {"state": "ready", "waiting": 6}


def test_who_waits_when_the_server_stops_is_told(service, slow, caplog):
    """Both whoever waits and whoever's batch takes longer than the server does."""
    config = uvicorn.Config(build(service, False), log_config=None, timeout_graceful_shutdown=1)
    server = Server(config, service)
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/summaries"

        def post(text: str) -> httpx.Response:
            return httpx.post(url, json={"conversation": f"Customer: {text}"}, timeout=30)

        answers = [pool.submit(post, "one")]
        assert slow.at_work.wait(10)
        answers.append(pool.submit(post, "two"))
        while not service.queue:
            time.sleep(0.01)
        server.should_exit = True
        serving.join(30)
    for answer in answers:
        found = answer.result()
        assert found.status_code == 503 and "the server is stopping" in found.text
    assert not any(record.exc_info for record in caplog.records)


def test_a_conversation_that_fails_takes_no_other_with_it(service, slow):
    occupy(service, slow)
    good, bad, other = service.ask(["a", "bad", "b"], ["tuned"])
    slow.go.set()
    assert good.result(10) == {"tuned": "A"} and other.result(10) == {"tuned": "B"}
    with pytest.raises(UserError):
        bad.result(10)


def test_what_waits_when_it_stops_is_refused(service, slow):
    running = occupy(service, slow)
    (waiting,) = service.ask(["late"], ["tuned"])
    threading.Timer(0.2, slow.go.set).start()
    service.stop()
    assert running.result(0) == {"tuned": "FIRST"}
    with pytest.raises(NotReady):
        waiting.result(0)
    with pytest.raises(NotReady):
        service.ask(["later"], ["tuned"])


def test_a_fault_of_the_program_is_json_too_and_keeps_its_traceback():
    class Broken:
        def ready(self):
            raise ZeroDivisionError

    with TestClient(build(Broken(), False), raise_server_exceptions=False) as client:
        answer = client.post("/v1/summaries", json={"conversation": "hi there"})
    assert answer.status_code == 500 and "terminal" in answer.json()["error"]["message"]
    with (
        TestClient(build(Broken(), False)) as client,
        pytest.raises(ZeroDivisionError),
    ):
        client.post("/v1/summaries", json={"conversation": "hi there"})


def test_models_that_cannot_be_loaded_are_told(slow):
    def load():
        raise UserError("models/base is not the model that it was trained on")

    service = Service(load, waiting=6)
    with pytest.raises(NotReady, match="is being loaded"):
        service.ask(["a"], ["tuned"])
    service.start()
    service.loaded.wait(10)
    assert service.state == "failed"
    with pytest.raises(NotReady, match="trained on"):
        service.ask(["a"], ["tuned"])
