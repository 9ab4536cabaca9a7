"""The HTTP API, asked over a socket: the summaries of `tools.summarize`, and a sentence for faults."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tools.app import limits

TEXTS = [
    "Customer: my parcel never came\nAgent: sorry! mail jo@x.org or DM order #12345",
    "[3/5/24, 10:12] Mira: the app crashes\n[3/5/24, 10:13] Support: please reinstall it",
    "Customer: train 5 is late again",
    "a text without speakers",
]
ROWS = [
    {"id": "own", "turns": [{"who": "customer", "said": "my parcel 3 never came"}]},
    {"id": 7, "conversation": "Customer: the bill is wrong\nAgent: let me look"},
    {
        "turns": [
            {"speaker": "Customer", "text": "hello?"},
            {"speaker": "Agent", "text": "hi there"},
        ]
    },
    {"messages": [{"role": "user", "content": "late"}, {"role": "assistant", "content": "sorry"}]},
    {"conversation": "Customer: half \ud83d of an emoji"},
]


def summaries(app, body: dict) -> list[dict]:
    answer = app.post(body)
    assert answer.status_code == 200, answer.text
    return answer.json()["summaries"]


def row(n: int) -> dict:
    """A conversation unlike others: a tiny model tells little else apart."""
    word = chr(ord("a") + n % 26) * (3 + n // 8)
    return {"id": n, "conversation": f"Customer: {word} {n}\nAgent: {word * 2}?"}


@pytest.fixture(scope="module")
def expected(project, tmp_path_factory):
    """What tools.summarize writes of rows: a list of `id`, `tuned`, `base`."""

    def of(rows: list[dict]) -> list[dict]:
        file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        said = project.python("-m", "tools.summarize", "--base", str(file)).stdout
        return [json.loads(line) for line in said.splitlines()]

    return of


def test_every_layout_has_the_summary_of_tools_summarize(app, project, expected, tmp_path):
    found = summaries(app, {"conversations": ROWS, "base": True})
    assert [{k: row[k] for k in ("id", "tuned", "base")} for row in found] == expected(ROWS)
    for text in TEXTS:
        file = tmp_path / "chat.txt"
        file.write_text(text)
        said = project.python("-m", "tools.summarize", str(file)).stdout
        (row,) = summaries(app, {"conversation": text})
        assert row["tuned"] + "\n" == said and row["base"] is None


def test_a_list_of_turns_is_a_conversation(app):
    turns = ROWS[2]["turns"]
    assert summaries(app, {"conversation": turns}) == summaries(
        app, {"conversations": [{"turns": turns}]}
    )


def test_an_id_may_be_any_value(app):
    rows = [ROWS[1] | {"id": id_} for id_ in ("half \ud83d", [1, {"a": "\udc00"}], 10**30)]
    found = summaries(app, {"conversations": rows})
    assert [row["id"] for row in found] == ["half ", [1, {"a": ""}], 10**30]


def test_what_was_redacted_and_what_is_unsupported_is_said(app):
    answer = app.post({"conversation": TEXTS[0], "base": True}).json()
    assert answer["redacted"] == {"email": 1, "number": 1}
    (row,) = answer["summaries"]
    for model, spans in row["unsupported"].items():
        for span in spans:
            assert row[model][span["start"] : span["end"]] == span["text"]
    assert row["tokens_cut"] == 0
    (long,) = summaries(app, {"conversation": "Customer: " + "late " * 500})
    assert long["tokens_cut"] > 0


FAULTS = [
    (b"", 400, "must be a JSON object"),
    (b"{", 400, "not valid JSON"),
    (b'{"conversation": "\xff"}', 400, "not JSON in UTF-8"),
    (b"[" * 100_000, 400, "JSON"),
    (b"[]", 400, "must be a JSON object"),
    (b"{}", 422, "either `conversation` or `conversations`"),
    (b'{"conversation": "hi", "conversations": []}', 422, "either"),
    (b'{"conversation": null}', 422, "conversation 0 is null"),
    (b'{"conversation": 5}', 422, "conversation 0 is a number"),
    (b'{"conversation": ""}', 422, "no words to summarise"),
    (b'{"conversation": "Customer: @handle"}', 422, "no words to summarise"),
    (b'{"conversations": []}', 422, "one or more"),
    (b'{"conversations": "hi"}', 422, "a list"),
    (b'{"conversation": "hi", "beams": 4}', 422, "'beams' is not known"),
    (b'{"conversation": "hi", "base": "yes"}', 422, "base: "),
    (b'{"conversation": {"id": 1}}', 422, "no conversation is found"),
    (b'{"conversation": %s%s}' % (b"[" * 500, b"]" * 500), 422, "it nests too deeply"),
    (b'{"conversation": %s1%s}' % (b'{"a":' * 900, b"}" * 900), 422, "it nests too deeply"),
    (b'{"conversation": [{"text": null}]}', 422, "no words"),
    (json.dumps({"conversations": ["hi there"] * 101}).encode(), 413, "101 conversations"),
    (json.dumps({"conversation": "hi " * 40_000}).encode(), 413, "characters, more than"),
    (b'{"conversation": "%s"}' % (b"x" * limits.BODY), 413, "larger than 2,000,000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_a_status_and_a_sentence(app, body, status, words):
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{app.url}/v1/summaries", content=body, headers=headers)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_a_bad_conversation_among_many_is_named(app):
    answer = app.post({"conversations": ["hi there", {"id": 1}, "", "Agent: ok then"]})
    assert answer.status_code == 422
    assert [one["number"] for one in answer.json()["error"]["conversations"]] == [1, 2]


def test_other_methods_hosts_and_types_are_refused(app):
    assert httpx.get(f"{app.url}/v1/summaries").status_code == 405
    assert httpx.post(f"{app.url}/v1/other").status_code == 404
    form = httpx.post(f"{app.url}/v1/summaries", data={"conversation": "hi"})
    assert form.status_code == 400 and "application/json" in form.json()["error"]["message"]
    elsewhere = httpx.get(app.url, headers={"Host": "example.com"})
    assert elsewhere.status_code == 403


@pytest.mark.parametrize("origin", ["http://example.com", "null", "http://127.0.0.1:1", "["])
def test_a_form_of_another_site_reaches_nothing(app, origin):
    file = {"files": ("a.txt", b"hi")}
    for path in ("/v1/summaries", "/gradio_api/upload"):
        answer = httpx.post(app.url + path, files=file, headers={"Origin": origin})
        assert answer.status_code == 403 and "other sites" in answer.json()["error"]["message"]
    own = httpx.post(f"{app.url}/gradio_api/upload", files=file, headers={"Origin": app.url})
    assert own.status_code == 200


def test_the_description_names_every_answer_and_loads_nothing_from_elsewhere(app):
    described = httpx.get(f"{app.url}/openapi.json").json()
    route = described["paths"]["/v1/summaries"]["post"]
    assert set(route["responses"]) == {"200", "400", "401", "413", "422", "503"}
    page = httpx.get(f"{app.url}/docs")
    assert page.status_code == 200 and "https://" not in page.text


def test_64_clients_at_once_each_get_their_own_answer_in_flat_memory(app, expected):
    rows = [row(n) for n in range(64)]
    wanted = [{k: one[k] for k in ("id", "tuned")} for one in expected(rows)]
    assert len({one["tuned"] for one in wanted}) > 24, "too alike to tell answers apart"
    process, sizes = psutil.Process(app.process.pid), []
    with ThreadPoolExecutor(64) as clients:
        for _ in range(6):
            answers = list(clients.map(lambda row: app.post({"conversation": row}), rows))
            assert [answer.status_code for answer in answers] == [200] * 64
            found = [answer.json()["summaries"][0] for answer in answers]
            assert [{k: one[k] for k in ("id", "tuned")} for one in found] == wanted
            sizes.append(process.memory_info().rss / 2**20)
    print("MiB after each wave:", [round(size) for size in sizes])
    assert max(sizes[2:]) < max(sizes[:2]) + 50
