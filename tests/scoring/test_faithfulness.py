"""What a summary says is looked for in its conversation, in any language that can be told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.words import choose_words
from stages.scoring.extractive import bigram_precision, coverage_and_density, fragments
from stages.scoring.faithfulness import MEASURES, Checked, Checker, means

TURNS = [
    {"speaker": "customer", "text": "my parcel from amazon is 3 days late, wi-fi router inside"},
    {"speaker": "agent", "text": "sorry! please send your tracking number by (email) to london"},
]
REFERENCES = [
    "Customer says that the Amazon parcel is late. Agent asks for the tracking number.",
    "Customer says that the parcel is late. Agent wants the tracking number in London.",
]


def check(summary: str, turns=TURNS, references=REFERENCES) -> Checked:
    words, _ = choose_words("auto", references)
    [checked] = Checker([turns] * 2, [references] * 2, words).check(turns, [summary])
    return checked


def spans(summary: str, **given) -> list[tuple[str, str]]:
    return [(summary[span.start : span.end], span.kind) for span in check(summary, **given).spans]


def measures(summary: str, **given) -> dict[str, float | None]:
    return check(summary, **given).measures


def test_what_the_conversation_holds_is_supported():
    found = measures("Customer says the Amazon parcel with the Wi-Fi router is 3 days late.")
    assert (found["number_precision"], found["name_precision"]) == (100, 100)
    assert found["role_precision"] == 100


def test_what_it_does_not_hold_is_listed():
    summary = "Customer says the eBay parcel is 4 days late. Agent writes by (phone) in sauna."
    assert spans(summary) == [
        ("eBay", "word"),  # no capital at its start
        ("4", "number"),
        ("writes", "word"),
        ("(phone)", "name"),
        ("sauna", "word"),
    ]
    assert ("Berlin", "name") in spans("Agent asks for a number in Berlin.")


def test_roles_are_compared_with_who_said_it():
    right = "Customer says the parcel is late. Agent asks to send the tracking number."
    wrong = "Agent says the parcel is late. Customer asks to send the tracking number."
    assert measures(right)["role_precision"] == 100
    assert measures(wrong)["role_precision"] == 0
    assert ("Agent", "role") in spans(wrong) and not spans(right)


@pytest.mark.parametrize("summary", ["", "  ", "😀", "."])
def test_a_summary_that_says_nothing_has_no_measures(summary):
    found = measures(summary)
    assert [found[name] for name in ("number_precision", "name_precision", "role_precision")] == [
        None
    ] * 3
    assert spans(summary) == []
    if not summary.strip():
        assert set(found.values()) == {None}


def test_a_text_without_speakers_has_no_roles():
    found = measures("The parcel is 3 days late.", turns=[{"speaker": None, "text": "3 days late"}])
    assert found["role_precision"] is None and found["number_precision"] == 100


def test_german_capitals_are_no_names():
    references = [
        "Der Kunde meldet, dass die Lieferung mit dem Paket zu spät kommt.",
        "Die Kundin wartet seit Montag auf die Antwort des Händlers auf ihre Frage.",
    ]
    turns = [{"speaker": "Kunde", "text": "die lieferung kommt zwei tage zu spät"}]
    found = measures("Kunde sagt, die Lieferung kommt 2 Tage zu spät.", turns=turns, references=references)  # fmt: skip
    assert found["name_precision"] is None and found["number_precision"] == 100


def test_chinese_and_japanese():
    turns = [
        {"speaker": "客户", "text": "我的水壶漏水了，三天前买的，花了299元。"},
        {"speaker": "客服", "text": "请发送照片到客服邮箱。"},
    ]
    references = ["客户反映水壶漏水。客服要求发送照片。"] * 3
    right = measures(
        "客户说水壶漏水，花了299元。客服请发送照片。", turns=turns, references=references
    )
    wrong = measures(
        "客服说水壶漏水，花了399元。客户请发送照片。", turns=turns, references=references
    )
    assert right["number_precision"] == 100 and wrong["number_precision"] == 0
    assert right["role_precision"] > 80 and wrong["role_precision"] < 20
    assert right["name_precision"] is None
    kana = [{"speaker": "顧客", "text": "やかんが水漏れします。"}, {"speaker": "係", "text": "写真を送って下さい。"}]  # fmt: skip
    found = measures(
        "顧客はやかんが水漏れすると言う。", turns=kana, references=["やかんが水漏れする。"]
    )
    assert found["role_precision"] == 100 and found["coverage"] > 50


def test_named_speakers_are_neither_names_nor_numbers_to_find():
    turns = [
        {"speaker": "#Person1#", "text": "let us go to the gym"},
        {"speaker": "Amanda", "text": "my legs are sore"},
    ]
    references = ["#Person1# invites Amanda to the gym.", "Amanda tells #Person1# of her legs."]
    found = measures("#Person1# invites Amanda to the gym.", turns=turns, references=references)
    assert found["number_precision"] is None and found["name_precision"] is None
    assert found["role_precision"] == 100


def test_a_first_word_is_a_name_if_references_show_it():
    assert ("Amazon", "name") in spans("Amazon sends it.", turns=[{"speaker": None, "text": "hi"}])
    assert not any(kind == "name" for _, kind in spans("Parcel is late."))


def test_an_upper_case_text_has_no_names():
    assert measures("THE PARCEL IS LATE IN ROME")["name_precision"] is None


def test_fragments_are_those_of_the_paper():
    article, summary = list("abcdefabx"), list("abxcdq")
    assert fragments(summary, article) == [3, 2]
    assert coverage_and_density(summary, article) == (5 / 6, 13 / 6)
    assert bigram_precision(summary, article) == 3 / 5
    assert bigram_precision(["a"], article) is None
    assert coverage_and_density([], article) == (None, None)


def test_means_leave_out_what_is_not_defined():
    rows = [dict.fromkeys(MEASURES), dict.fromkeys(MEASURES, 50.0) | {"density": None}]
    assert means(rows) == dict.fromkeys(MEASURES, 50.0) | {"density": None}
    assert means([]) == dict.fromkeys(MEASURES)


MIXED = st.text(
    st.sampled_from("0123459.,:/- $€kpmaArs月日年十万一百 ٣٫(é)İ\n#5thMay"), max_size=40
)


@given(MIXED, MIXED)
@settings(max_examples=200, deadline=None)
def test_any_text_has_measures_and_holds_itself(conversation, summary):
    turns = [{"speaker": None, "text": conversation}]
    found = check(summary, turns)
    for name, value in found.measures.items():
        assert value is None or 0 <= value <= (100 if name != "density" else len(summary))
    assert all(0 <= span.start < span.end <= len(summary) for span in found.spans)
    same = check(conversation, turns)
    assert same.measures["number_precision"] in (None, 100)
    assert same.measures["coverage"] in (None, 100)


@pytest.mark.parametrize("named", ["tim", "Tims", "Ivana", "Schmidt"])
def test_a_speaker_in_a_form_that_is_no_mention_is_known(named):
    turns = [
        {"speaker": "Tim Schmidt", "text": "the parcel is late"},
        {"speaker": "Tim", "text": "so is mine"},
        {"speaker": "Ivan", "text": "please wait"},
    ]
    assert spans(f"Customer says that {named} is late.", turns=turns) == []
    assert spans("Customer says that Tamara is late.", turns=turns) == [("Tamara", "name")]


def test_a_long_test_split_shows_how_far_it_is(monkeypatch, capsys):
    words, _ = choose_words("auto", REFERENCES)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    Checker([TURNS] * 3, [REFERENCES] * 3, words).check_all([TURNS] * 3, {"tuned": ["A."] * 3})
    assert "3/3" in capsys.readouterr().err
