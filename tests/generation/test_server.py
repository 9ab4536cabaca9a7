"""Summaries by a server with OpenAI's protocol: order, faults, and what a request says."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import httpx2
import pytest

from stages.common.cli import UserError
from stages.generation import server as module
from stages.generation.server import check_settings, complete
from stages.model.tokenization import prompt_text
from stages.params import Generate, Server
from tests.helpers.loopback import Loopback
from tests.helpers.project import tiny_params


class Completions(Loopback):
    """Answers a prompt with its capitals, later ones first; `faults` holds a status for each of the
    first requests, with a `Retry-After` or without, or None to hang up."""

    def __init__(self, port: int = 0):
        super().__init__(Handler, port)
        self.faults, self.bodies, self.keys, self.models = [], [], set(), ["tuned"]
        self.known = set()  # if any, the keys of a request that are not refused


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        models = self.server.models
        data = {"data": [{"id": name} for name in models]} if isinstance(models, list) else models
        self.answer(200, data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.keys.add(self.headers.get("Authorization"))
            fault = self.server.faults.pop() if self.server.faults else 200
            if self.server.known and body.keys() - self.server.known:
                fault = 422
            if fault == 200:
                self.server.bodies.append(body)
        if fault is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(0.02 if body["prompt"][-1] in "02468" else 0)
        text = body["prompt"].upper()
        finish = "length" if len(text) > body["max_tokens"] else "stop"
        choices = [{"text": text, "finish_reason": finish}]
        status, *later = fault if isinstance(fault, tuple) else (fault,)
        self.answer(status, {"choices": choices} if status == 200 else {"error": text}, *later)

    def answer(self, status: int, value: object, retry_after: str = "") -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def knobs(**changes) -> Generate:
    return Generate(**tiny_params()["generate"] | changes)


class Words:
    """A tokenizer of numbers: token 7 is the text "p7", and the BOS is 0."""

    bos_token_id = 0

    def __call__(self, text: str):
        ids = [0, *map(int, text.split("p")[1:])]
        return type("Encoding", (), {"input_ids": ids})()

    def decode(self, ids: list[int], **_) -> str:
        return "".join(f"p{i}" for i in ids)


@pytest.fixture
def served(monkeypatch) -> Iterator[Completions]:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.05)
    module.told.clear()
    module.strict.clear()
    with Completions() as server:
        yield server


def ask(port: int, prompts: list[list[int]], patience: float = 1, **changes):
    server = Server(
        url=f"http://127.0.0.1:{port}/v1", model=None, concurrency=8, patience_minutes=patience
    )
    return complete(server, Words(), prompts, knobs(server=server, **changes))


def test_answers_are_in_the_order_of_the_prompts(served, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    prompts = [[0, n] for n in range(100)]
    answers = ask(served.server_port, prompts, max_new_tokens=2)
    assert answers == [(f"P{n}", n < 10) for n in range(100)]
    assert served.keys == {"Bearer k"}
    sent = {(body["model"], body["max_tokens"], body["temperature"]) for body in served.bodies}
    assert sent == {("tuned", 2, 0.0)} and "seed" not in served.bodies[0]


@pytest.mark.parametrize("do_sample", [False, True])
def test_a_server_adds_no_penalty_of_its_own(served, do_sample):
    """llama-cpp-python's takes 1.1 for repetitions unless it is told."""
    prompts, answers = [[0, n] for n in range(30)], [(f"P{n}", True) for n in range(30)]
    assert ask(served.server_port, prompts, do_sample=do_sample) == answers
    assert {(b["repeat_penalty"], b["repetition_penalty"]) for b in served.bodies} == {(1.0, 1.0)}
    # Others refuse a name that they do not know.
    served.bodies.clear()
    served.known = {"model", "prompt", "max_tokens", "temperature", "top_p", "seed"}
    assert ask(served.server_port, prompts, do_sample=do_sample) == answers
    assert len(served.bodies) == 30


def test_sampled_prompts_have_seeds_of_their_own_in_every_batch(served):
    def seeds(prompts: list[list[int]], seed: int) -> dict[str, int]:
        served.bodies.clear()
        ask(served.server_port, prompts, do_sample=True, seed=seed, top_p=0.5)
        assert {(b["temperature"], b["top_p"]) for b in served.bodies} == {(1.0, 0.5)}
        return {body["prompt"]: body["seed"] for body in served.bodies}

    first, second = ([[0, n] for n in numbers] for numbers in (range(50), range(50, 99)))
    batches = seeds(first, 5) | seeds(second, 5)
    assert len(set(batches.values())) == len(batches) == 99
    assert all(0 <= seed < 2**31 for seed in batches.values())
    assert seeds(second + first, 5) == batches
    assert not batches.items() & seeds(first, 6).items()
    assert all(0 <= seed < 2**31 for seed in seeds(first, 2**32 - 1).values())


def test_faults_of_a_busy_server_cost_no_answer(served, capsys):
    served.faults = [503, None, 429, 500, None, 502] * 5
    prompts = [[0, n] for n in range(40)]
    assert ask(served.server_port, prompts) == [(f"P{n}", True) for n in range(40)]
    counts = Counter(body["prompt"] for body in served.bodies)
    assert set(counts.values()) == {1} and len(counts) == 40
    told = capsys.readouterr().err.splitlines()
    assert told and len(told) == len(set(told))


def test_a_server_is_left_alone_as_long_as_it_asks(served):
    served.faults = [(429, "1")]
    started = time.monotonic()
    assert ask(served.server_port, [[0, 1]]) == [("P1", True)]
    assert time.monotonic() - started > 1
    served.faults = [(503, "3600")]
    with pytest.raises(UserError, match="status 503"):
        ask(served.server_port, [[0, 1]])


def test_a_server_may_ask_by_a_date():
    dates = {formatdate(time.time() + 3600, usegmt=True): 3600, formatdate(0, usegmt=True): 0}
    for said, seconds in {"7": 7, "soon": 0, "": 0, "-1": 0, **dates}.items():
        answer = httpx2.Response(429, headers={"Retry-After": said} if said else {})
        assert module.retry_after(answer) == pytest.approx(seconds, abs=30 if seconds > 9 else 0)


def test_a_server_that_starts_late_is_waited_for():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    late = []

    def start() -> None:
        late.append(Completions(port).__enter__())

    timer = threading.Timer(0.7, start)
    timer.start()
    try:
        assert ask(port, [[0, 1]]) == [("P1", True)]
    finally:
        timer.join()
        late[0].__exit__()


@pytest.mark.parametrize(
    ("faults", "patience", "said"),
    [
        ([400] * 2, 1, "status 400"),
        ([401], 1, "status 401: is OPENAI_API_KEY set"),
        ([503] * 99, 0.01, "status 503"),
    ],
)
def test_a_refusal_is_one_sentence_without_the_customers_words(served, faults, patience, said):
    served.faults = faults
    with pytest.raises(UserError, match=said) as error:
        ask(served.server_port, [[0, 123]], patience)
    assert "P123" not in str(error.value)


@pytest.mark.parametrize("models", [[], ["a", "b"]])
def test_one_model_is_taken_and_of_several_one_is_named(served, models):
    served.models = models
    with pytest.raises(UserError, match=f"has {len(models)} models"):
        ask(served.server_port, [[0, 1]])


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": ["tuned"]}, "tuned", 3])
def test_models_in_another_form_are_one_sentence(served, answer):
    served.models = answer
    with pytest.raises(UserError, match="does not answer as OpenAI's protocol has it"):
        ask(served.server_port, [[0, 1]])


@pytest.mark.parametrize(
    "changes",
    [
        {"num_beams": 4},
        {"min_new_tokens": 2},
        {"no_repeat_ngram_size": 3},
        {"repetition_penalty": 1.2},
    ],
)
def test_what_a_request_does_not_hold_is_refused(changes):
    (name,) = changes
    with pytest.raises(UserError, match=f"a server gets no generate.{name}"):
        check_settings(knobs(**changes))
    check_settings(knobs())


def test_the_text_of_a_prompt_has_no_bos():
    assert prompt_text(Words(), [0, 5, 0, 6]) == "p5p0p6"
    assert prompt_text(Words(), [5, 6]) == "p5p6"


def test_a_tokenizer_that_does_not_read_back_what_it_writes_is_told(served, capsys):
    ask(served.server_port, [[0, 5], [0, 6]])
    assert "other tokens" not in capsys.readouterr().err
    ask(served.server_port, [[0, 5], [6]])  # the server would add a BOS
    ask(served.server_port, [[7]])
    assert capsys.readouterr().err.count("prompts have other tokens at the server") == 1


def test_settings_are_those_of_the_section():
    assert set(module.DEFAULTS) < set(Generate.model_fields)
