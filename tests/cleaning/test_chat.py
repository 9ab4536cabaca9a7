"""A plain text is split into turns, for any speaker names and formats of time."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stages.cleaning.chat import parse_chat

NAMES = [
    "Mira",
    "Support Desk",
    "#Person1#",
    "Agent 007",
    "customer_2",
    "Dr. Ana de la Vega",
    "O'Neil",
    "+44 7700 900100",
    "robin.k0@example.org",
    "客服",
    "用户1",
    "Ольга Петрова",
    "محمد",
    "समर्थन",
    "CUSTOMER",
    "agent",
]
OF_ROLES = {"Agent 007", "customer_2", "CUSTOMER", "agent", "客服"}
# The time 10:01 in the formats of phones, chat programs and transcripts around the world.
STAMPS = [
    "[01/02/24, 10:01:22] ",
    "[1/2/24, 10:01:22 AM] ",
    "[1/2/24, 10:01:22\u202fPM] ",
    "\u200e[01.02.24, 10:01:22] ",
    "01/02/2024, 10:01 - ",
    "1/2/24, 10:01 p. m. - ",
    "01.02.2024, 10:01 - ",
    "01-02-2024 10:01 - ",
    "2024-02-01, 10:01 - ",
    "1.2.2024 klo 10.01 - ",
    "01/02/2024 à 10:01 - ",
    "2024年2月1日 10:01 - ",
    "[2024/2/1 下午10:01:22] ",
    "[2024. 2. 1. 오후 10:01:22] ",
    "[١/٢/٢٠٢٤، ١٠:٠١:٢٢ م] ",
    "Feb 1, 2024, 10:01 AM - ",
    "1 February 2024 10:01 - ",
    "2024-02-01T10:01:22Z ",
    "2024-02-01 10:01:22.123 ",
    "2024-02-01T10:01:22+01:00 ",
    "[10:01] ",
    "(10:01 AM) ",
    "10:01:22 ",
    "00:10:01.500 ",
]


def turns(text: str) -> list[tuple]:
    return [(turn["speaker"], turn["text"]) for turn in parse_chat(text)]


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_every_kind_of_name_is_a_speaker(first, second):
    if first == second:
        return
    text = f"{first}: hi there\n{second}: yes: at 10:30, see https://x.org: it"
    expected = [(first, "hi there"), (second, "yes: at 10:30, see https://x.org: it")]
    assert turns(text) == expected
    assert turns(text.replace("\n", "\r\n") + "\n\n") == expected


ROLE_PAIRS = [
    ("Customer", "Agent"),
    ("user", "assistant"),
    ("Speaker 1", "Speaker 2"),
    ("Kunde", "Berater"),
    ("Cliente", "Atendente"),
    ("客户", "客服"),
    ("العميل", "الوكيل"),
]
FORMS = [
    "Monday: 9 to 5\nSaturday: closed",
    "Step 1: unplug the router for half a minute.\nStep 2: plug it in.",
    "Option B: pay each month, and it ends when you like.",
    "Color: Red\nSize: M",
    "Nome: Ana Lima\nPedido: 12",
    "UK: London",
    "1. Lamp: broken",
    "姓名: 王",
]


@pytest.mark.parametrize("pair", ROLE_PAIRS)
@pytest.mark.parametrize("form", FORMS)
def test_lines_of_a_form_are_no_speakers_among_roles(pair, form):
    first, second = pair
    text = f"{first}: my lamp broke\n{second}: here it is\n{form}\n{first}: ok"
    assert turns(text) == [(first, "my lamp broke"), (second, f"here it is\n{form}"), (first, "ok")]


@pytest.mark.parametrize("pair", ROLE_PAIRS)
@pytest.mark.parametrize("third", ["Amy", "Amy Stone", "王芳", "Supervisor", "Bot"])
def test_a_third_person_among_roles_is_a_speaker(pair, third):
    first, second = pair
    text = f"{first}: hi\n{second}: hold on\n{third}: Hello, I am of the billing team.\n{first}: ok"
    assert [speaker for speaker, _ in turns(text)] == [first, second, third, first]
    above = text.replace(": ", ":\n")
    assert [speaker for speaker, _ in turns(above)] == [first, second, third, first]


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("name", [*NAMES, "mira k", "the shop on the corner"])
def test_time_stamp_is_not_part_of_the_speaker(stamp, name):
    text = f"{stamp}{name}: hi\nmore: of it\n{stamp}Tom: 10:30 it is"
    assert turns(text) == [(name, "hi\nmore: of it"), ("Tom", "10:30 it is")]


def test_time_after_the_name_or_above_the_text_is_removed():
    expected = [("Robin", "Hello\nyou"), ("Support Desk", "Hi: go on")]
    assert turns("Robin [10:00]: Hello\nyou\nSupport Desk (10:01 AM): Hi: go on") == expected
    assert turns("Robin  10:00 AM\nHello\nyou\nSupport Desk  10:01 AM\nHi: go on") == expected
    text = "Robin, [01.02.2024 10:00]\nHello\nyou\n\nSupport Desk, [01.02.2024 10:01]\nHi: go on"
    assert turns(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "see https://example.org/a: it",
        "http://example.org",
        "at 10:30 or 11:15",
        "10:30 is fine",
        "10:30 is fine: yes",
        "10.50 - 12.75 EUR: the price",
        "here's the list: apples",
        "I told him: no",
        "Thanks :)",
        "ok:)",
        "PS: thanks",
        "Note: it is late",
        "order number: 1234",
        "Order Number: 1234",
        "the ratio is 3:1",
        "Email: a@example.org",
        "mailto:a@example.org",
        ": what",
        "- one: two",
        "I would like to say that this here is long: yes",
    ],
)
def test_colon_inside_a_message_is_not_after_a_speaker(line):
    expected = [("Mira", f"hi\n{line}"), ("Tom", "ok")]
    assert turns(f"Mira: hi\n{line}\nTom: ok") == expected
    stamped = f"[01/02/24, 10:00] Mira: hi\n{line}\n[01/02/24, 10:01] Tom: ok"
    assert turns(stamped) == expected


def test_other_colons_and_bold_names_are_read():
    assert turns("客户：你好\n客服：您好：请说") == [("客户", "你好"), ("客服", "您好：请说")]
    assert turns("Nom : oui\nAutre : non : si") == [("Nom", "oui"), ("Autre", "non : si")]
    assert turns("**Mira:** hi\n**Tom**: ho") == [("Mira", "hi"), ("Tom", "ho")]
    assert turns("Mira:hi\nTom:ho") == [("Mira", "hi"), ("Tom", "ho")]


def test_line_without_a_name_has_no_speaker():
    text = "1/2/24, 10:00 - Messages are encrypted.\n1/2/24, 10:01 - Mira: hi\n1/2/24, 10:02 - Tom left"
    assert turns(text) == [(None, "Messages are encrypted."), ("Mira", "hi"), (None, "Tom left")]
    assert turns("It began here.\nMira: hi\nTom: ho")[0] == (None, "It began here.")
    assert turns("A text alone. It says: no.\nAnd on.") == [
        (None, "A text alone. It says: no.\nAnd on.")
    ]
    assert turns("") == turns(" \n\t") == []


SAID = st.text("abc é,.!?()[]{}'\"\\客م👍 ", min_size=1, max_size=20).map(str.strip).filter(bool)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", *STAMPS]),
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True),
    st.lists(st.lists(SAID, min_size=1, max_size=3), min_size=1, max_size=6),
)
def test_any_chat_is_split_into_its_turns(stamp, names, said):
    people = [names[i % len(names)] for i in range(len(said))]
    # Among roles, who says a few words once is taken for a line of a form ("Order: 4711").
    seldom = any(people.count(name) == 1 for name in set(people) - OF_ROLES)
    assume(stamp or not seldom or len(OF_ROLES.intersection(people)) < 2)
    lines = [
        f"{stamp}{name}: " + "\n".join(texts) for name, texts in zip(people, said, strict=True)
    ]
    expected = [(name, "\n".join(texts)) for name, texts in zip(people, said, strict=True)]
    assert turns("\n".join(lines)) == expected


FORMS = {
    "IRC": "[10:00] <Mira> {}\n[10:05] <Tom> {}",
    "IRC without times": "<Mira> {}\n<Tom> {}",
    "brackets": "[Mira]: {}\n[Tom] {}",
    "tags": "<Mira> {} </Mira>\n<Tom> {} </Tom>",
    "a role in brackets": "Mira (Support Agent): {}\nTom (Customer): {}",
    "emoji": "Mira 🌸: {}\nTom ⚡: {}",
    "live chat": "( 12s ) Mira: {}\n( 1m 30s ) Tom: {}",
    "weekdays": "[Mon, 1 Feb 2024 10:00] Mira: {}\n[Mon, 1 Feb 2024 10:05] Tom: {}",
    "Unix time": "1706781600 Mira: {}\n1706781900 Tom: {}",
    "Zoom": "10:00:01 From Mira to Everyone: {}\n10:05:00 From Tom to Everyone: {}",
    "Discord": "Mira — 02/01/2024 10:00 AM\n{}\nTom — Today at 10:05 AM\n{}",
    "Teams": "[10:00 AM] Mira\n{}\n[10:05 AM] Tom\n{}",
    "a list": "- Mira: {}\n- Tom: {}",
    "numbers": "1. Mira: {}\n2. Tom: {}",
    "tabs": "10:00\tMira\t{}\n10:05\tTom\t{}",
    "hyphens": "Mira - {}\nTom - {}",
    "en dashes": "Mira – {}\nTom – {}",
    "em dashes": "Mira — {}\nTom — {}",
    "dashes behind times": "[10:00] Mira - {}\n[10:05] Tom - {}",
    "dashes behind a name's time": "Mira (10:00) - {}\nTom (10:05) - {}",
    "bars behind names": "Mira | {}\nTom | {}",
    "arrows": "Mira >> {}\nTom >> {}",
    "tabs behind names": "Mira\t{}\nTom\t{}",
    "round brackets": "(Mira) {}\n(Tom) {}",
    "bold": "**Mira** {}\n**Tom** {}",
    "Japanese brackets": "【Mira】{}\n【Tom】{}",
    "Japanese quotes": "Mira「{}」\nTom「{}」",
    "verbs": "Mira says: {}\nTom wrote:\n{}",
    "numbered turns": "Turn 1 - Mira: {}\nTurn 2 - Tom: {}",
    "Slack": "Mira\n  10:00 AM\n{}\n\nTom\n  10:05 AM\n{}",
    "Teams, as copied": "Mira Lee\t2/1/2024 10:00 AM\n{}\nTom Sam\t2/1/2024 10:05 AM\n{}",
    "HTML": "<p>Mira: {}</p><p>Tom: {}<br/></p>",
    "escaped": r"Mira: {}\nTom: {}",
}
ONE_LINE = {
    "sentences": "Customer: {} Agent: {}",
    "bars": "Customer: {} | Agent: {}",
    "marks": "customer: {} __eot__ agent: {} __eot__",
    "headings": "## Customer\n{}\n\n## Agent\n{}",
    "numbers of speakers": "Speaker 1: {} Speaker 2: {}",
    "paragraphs": "Customer\n{}\n\nAgent\n{}",
    "ChatML": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>",
    "Llama 2": "<s>[INST] {} [/INST] {} </s>",
    "Llama 3": "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant"
    "<|end_header_id|>\n\n{}<|eot_id|>",
    "Gemma": "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}<end_of_turn>",
    "hashes": "### Human: {}### Assistant: {}",
    "German": "Kunde: {} Mitarbeiter: {}",
}


@pytest.mark.parametrize("form", [*FORMS, *ONE_LINE])
def test_chat_formats_of_programs_are_read(form):
    said = ["my lamp fails, why?", "sorry, we will see."]
    turns = parse_chat((FORMS | ONE_LINE)[form].format(*said))
    assert [turn["text"] for turn in turns] == said
    names = [turn["speaker"] for turn in turns]
    if form in FORMS:
        assert [name.split()[0] for name in names] == ["Mira", "Tom"]
    else:
        assert None not in names and len(set(names)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Customer: I told the agent: it is broken",
        "Mira: see [photo]\n[photo] and this\nTom: ok\nMira: thanks\nTom: bye",
        "Mira: the path is C:\\new\nTom: thanks",
        "[10:00] Mira: hi\n[10:01] Tom: Ok\n[10:02] Mira: 10:30 is fine",
        "Mira: these:\nModel - the new one is broken\nPath - in a new box\nTom: ok",
    ],
)
def test_text_that_resembles_a_format_is_kept(text):
    said = "\n".join(turn["text"] for turn in parse_chat(text))
    assert {turn["speaker"] for turn in parse_chat(text)} <= {"Mira", "Tom", "Customer"}
    assert "is broken" in said or "[photo] and this" in said or "new" in said or "10:30" in said


@pytest.mark.parametrize(
    "text",
    [
        "My lamp - a gift - flickers.\nI bought it - in May - at your shop.\nMira",
        "Roses are red\nViolets - blue\nSugar - sweet",
        "Monday - closed\nTuesday - open from nine\nFriday - open",
        "Lamp - 20 euros\nChair - 40 euros\nLamp - 30 euros",
        "Hello\nmy lamp is broken\n\nThanks\nMira",
    ],
)
def test_text_of_one_person_with_dashes_is_one_turn(text):
    assert turns(text) == [(None, text)]


def test_name_before_a_dash_is_a_speaker_if_it_repeats():
    text = "Mira - hi - there\nmore of it\nPrice - yes it is\nMira - ok"
    said = ["hi - there\nmore of it", "yes it is", "ok"]
    assert turns(text) == list(zip(("Mira", "Price", "Mira"), said, strict=True))
    for name in ("mira", "+44 7700 900100", "robin.k0@example.org", "用户"):
        assert turns(text.replace("Mira", name)) == list(
            zip((name, "Price", name), said, strict=True)
        )
