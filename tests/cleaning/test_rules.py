"""Each switch does what params.yaml says, and columns give the same result as plain Python."""

import re
from collections import Counter
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.cleaning.markup import plain_text
from stages.cleaning.redaction import redact, redact_column
from stages.cleaning.rules import clean_reference, clean_turns
from stages.params import Clean, load
from tests.helpers.data import ROOT

SWITCHES = ["html", "urls", "handles", "signatures", "special_characters", "lowercase"]
SWITCHES.append("redact")
DEFAULT = load(ROOT / "params.yaml").clean
REDACTION = DEFAULT.redaction
EVERY_SETTING = [dict(zip(SWITCHES, on, strict=True)) for on in product((False, True), repeat=7)]


def switches(*on: str) -> Clean:
    return DEFAULT.model_copy(update={name: name in on for name in SWITCHES})


def clean_rows(rows: list[tuple[str | None, str | None]], params: Clean) -> list[tuple]:
    schema = {"speaker": pl.String, "text": pl.String}
    return clean_turns(pl.DataFrame(rows, schema=schema, orient="row"), params).rows()


def clean_text(text: str, params: Clean, speaker: str = "agent") -> str | None:
    rows = clean_rows([(speaker, text)], params)
    return rows[0][1] if rows else None


# Characters that Rust and Python classify alike: no combining marks and no other numerals.
LETTERS = st.text("aBz9 éÑßسلام😀❤.,!?'’“\"@^-–/~*_&;:#<>()%$£€\n\t\u00a0", max_size=8)
PIECES = (
    st.sampled_from(["&amp;", "&lt;", "&#39;", "&eacute;", "&nbsp;", "&nothing;", "\n", " "])
    | st.sampled_from(["https://t.co/x", "www.a.b", "<LINK>", "@Acme", "@12345", "me@x.org"])
    | st.sampled_from(["order #", "7", "42", "07911 123456", "10.0.0.1", "::", "+1", "DE", "ref "])
    | st.sampled_from(["^JS", "^", " -Dee", " -Dee ", " /MB", "~Sam", "👍", "‘so’", "مرحبا", "Été"])
)
TEXTS = st.lists(PIECES | LETTERS, max_size=8).map("".join)
TURNS = st.tuples(st.sampled_from(["customer", "agent", None]), st.none() | TEXTS)
NUMBERS = st.text("0123456789 +-().:/#aAfFXx@", max_size=30)


@pytest.mark.parametrize(
    ("switch", "text", "expected"),
    [
        ("urls", "see https://t.co/aB1?x=1&y=2 now", "see now"),
        ("urls", "see HTTP://X.ORG, or www.x.org/a", "see or"),
        ("urls", "see <LINK> and <url>", "see and"),
        ("urls", "<https://x.org/a?b=1|our help page> has it", "our help page has it"),
        ("urls", "see <http://x.org/a>, then <mailto:a@x.org|us> ", "see , then us"),
        ("urls", "[the form](https://x.org/a_(b)), then send it", "the form, then send it"),
        ("urls", "![](https://x.org/i.png) [这里](https://x.org)可以看", "这里可以看"),
        ("urls", "write to <mailto:a@x.org>, or <tel:555>", "write to a@x.org, or 555"),
        ("urls", "5[1](http://x.org)[2](http://x.org) is", "5 1 2 is"),
        (
            "urls",
            "our shop<https://x.org>sells, see[here](https://x.org).",
            "our shop sells, see here.",
        ),
        ("urls", "a[0](b), [1] (x) and <b|c>", "a[0](b), [1] (x) and <b|c>"),
        ("urls", "we are at x.org", "we are at x.org"),
        (
            "redact",
            "a@b.co, +44 20 7946 0958 &amp; ref AB123456",
            "(email), (phone) &amp; ref (number)",
        ),
        ("handles", "@AcmeHelp my bag, @115858!", "my bag, !"),
        ("handles", "(@Acme_Help) .@other @a @b", "( ) ."),
        ("handles", "mail me@home.org", "mail me@home.org"),  # `@home` is not a handle here
        ("handles", "@ noon", "@ noon"),
        ("signatures", "We are on it. ^JS", "We are on it."),
        ("signatures", "We are on it. ^Gwendolyn", "We are on it."),
        ("signatures", "On it ^ JS thanks", "On it thanks"),  # anywhere, because tweets are joined
        ("signatures", "We are on it. -Dee", "We are on it."),
        ("signatures", "We are on it. /MB ", "We are on it."),
        ("signatures", "We are on it. ~ Sam", "We are on it."),
        ("signatures", "a well-known bug", "a well-known bug"),
        ("signatures", "and/or", "and/or"),
        ("signatures", "wait - then call", "wait - then call"),
        ("html", "Q&amp;A &lt;3 &#39;x&#39;", "Q&A <3 'x'"),
        ("html", "a&nbsp;b", "a b"),
        ("html", "AT&T; R&D", "AT&T; R&D"),
        ("special_characters", "great 😀👍🏽 #fail [x] a_b", "great fail x a b"),
        ("special_characters", "it’s ‘so’ “bad”", "it's 'so' bad"),
        (
            "special_characters",
            "50% off $5, £6/€7 (or 1+1); no?!",
            "50% off $5, £6/€7 (or 1+1); no?!",
        ),
        ("special_characters", "naïve Ñandú مرحبا 你好", "naïve Ñandú مرحبا 你好"),
        ("special_characters", "¥5 ₹7 ₽9 ₩1 ฿2 ¢3", "¥5 ₹7 ₽9 ₩1 ฿2 ¢3"),
        ("special_characters", "Wasser\u00adkocher", "Wasserkocher"),
        ("special_characters", "well… “so” – a·b ¯\\_(ツ)_/¯ （＾）", "well so a b (ツ) /"),
        ("special_characters", "love ❤️ it", "love it"),  # a heart and an invisible selector
        ("special_characters", "the 👨‍👩‍👧 left", "the left"),
        ("special_characters", "می‌خواهم", "می‌خواهم"),  # the same kind of joiner inside a word
        ("lowercase", "MY iPhone ÉTÉ", "my iphone été"),
    ],
)
def test_switch_enables_its_rule(switch, text, expected):
    assert clean_text(text, switches(switch)) == expected
    assert clean_text(text, switches()) == " ".join(text.split())


# Usual text of each language, which must not change.
IN_THEIR_SCRIPT = [
    "客户：水壶漏水，花了¥101！怎么办？“好的”——……《说明书》（已读）",
    "「ケトル」は10時～12時、￥500円です。コーヒー・紅茶",
    "고객은 「주전자」가 샌다고 합니다. ₩500, 맞죠?",
    "Чайник «Заря» №5 — течёт… стоил ₽101",
    "Чайник – „протікає“, п'ять ₴",
    "الغلاية تسرب الماء؛ لماذا؟ ١٢٣، نعم ٥٠٪ ر.س",
    "סחורה פגומה: ״כן״, בית־ספר ₪5",
    "केतली ₹101 की थी। कृपया फोटो भेजें॥ क्\u200dष",
    "می\u200cخواهم پول را پس بگیرم، لطفاً",
    "ශ්\u200dරී ලංකා රුපියල්",
    "กาน้ำรั่ว ราคา ฿100 ฯลฯ ๆ",
    "កំសៀវលេចធ្លាយ។ តម្លៃ ៛100៕",
    "བོད་ཡིག།",
    "Ο βραστήρας στάζει· γιατί; «ναι» 5 €",
    "Ջուրը կաթում է։ Ինչո՞ւ",
    "Der „Wasserkocher“ läuft aus – für 101 €",
    "La bouilloire fuit : « l'eau » coûte 5 € !",
    "¿Cuánto cuesta? ¡50 €! Señor",
]


@pytest.mark.parametrize("text", IN_THEIR_SCRIPT)
def test_punctuation_and_currency_of_every_language_are_kept(text):
    assert clean_text(text, switches("special_characters")) == text
    # No rule removes a part of a word.
    rules = [switch for switch in SWITCHES if switch != "lowercase"]
    assert clean_text(text, switches(*rules)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("好 😀👍🏽 的，退款#［急］", "好 的，退款 急"),
        ("लीक \u200d👨\u200d👩 है।", "लीक है।"),
        ("\u200fمرحبا\u200f 100\u200f%", "مرحبا 100%"),
        ("ខ្ញុំ\u200bទៅ។", "ខ្ញុំទៅ។"),
        ("_чайник_ *течёт*", "чайник течёт"),
    ],
)
def test_special_characters_are_removed_in_every_language(text, expected):
    assert clean_text(text, switches("special_characters")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("看https://t.co/x1请帮忙，谢谢。", "看 请帮忙，谢谢。"),
        ("見てwww.example.org/a。はい", "見て 。はい"),
        ("请@xiaomi帮忙", "请 帮忙"),
        ("请@小米客服 帮忙", "请 帮忙"),
        ("好的^JS谢谢您的来信我们马上处理", "好的 谢谢您的来信我们马上处理"),
    ],
)
def test_next_word_is_kept_without_a_space_before_it(text, expected):
    assert clean_text(text, switches("urls", "handles", "signatures")) == expected


@pytest.mark.parametrize("switch", SWITCHES)
def test_placeholders_survive_every_rule(switch):
    text = "(email) (phone) (card) (iban) (ip) (number)"
    assert clean_text(text, switches(switch)) == text


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS | st.text(max_size=30) | NUMBERS, max_size=6))
def test_redacted_column_agrees_with_plain_python(texts):
    expected = [redact(text, REDACTION, Counter()) for text in texts]
    assert redact_column(pl.Series(texts, dtype=pl.String), REDACTION)[0].to_list() == expected


def test_carets_of_customers_are_kept():
    text = "x ^ y ^JS -Dee"
    assert clean_text(text, switches("signatures"), "customer") == text
    assert clean_rows([(None, text)], switches("signatures")) == [(None, text)]


def test_white_space_is_always_normalised():
    assert clean_text(" a \t b\n\nc\u00a0d ", switches()) == "a b c d"


def test_signature_before_a_link_and_handle_after_an_entity_are_removed():
    assert clean_text("Done ^JS https://t.co/x", DEFAULT) == "done"
    assert clean_text("&quot;@Acme hi", DEFAULT) == "hi"


def test_empty_turns_are_dropped_and_other_columns_kept():
    texts = ["hi", "❤️", None, " \n", "@bob", "bye"]
    frame = pl.DataFrame({"speaker": ["customer"] * 6, "text": texts, "row": range(6)})
    cleaned = clean_turns(frame, DEFAULT)
    assert cleaned.rows() == [("customer", "hi", 0), ("customer", "bye", 5)]


def test_table_without_turns_is_cleaned():
    assert clean_rows([], DEFAULT) == []


def plain(speaker: str | None, text: str | None, on: Clean) -> str:
    """Clean one turn in plain Python, character by character and without polars."""
    if text is None:
        return ""
    if on.html:
        text = plain_text(text)
    if on.urls:
        text = re.sub(r"(https?://|www\.)\S+|<link>|<url>", " ", text, flags=re.IGNORECASE)
    if on.redact:
        text = redact(text, REDACTION, Counter())
    if on.signatures and speaker == "agent":
        ending = r"\s[-–—~*/]\s?([A-Z]{1,3}|[A-Z][a-z]{1,11})\s*\Z"
        text = re.sub(rf"\^\s?\w{{1,12}}|{ending}", " ", text)
    if on.handles:
        text = re.sub(r"(?<![\w@])@\w+", " ", text)
    if on.special_characters:
        text = text.replace("’", "'").replace("‘", "'")
        other = re.search("[\u0600-\u06ff\u4e00-\u9fff]{2}", text)
        kept = ".,!?'%$£€:;/()+-" + ("–“" if other else "")
        text = "".join(c if c.isalnum() or c in kept else " " for c in text)
    if on.lowercase:
        text = text.lower()
    return " ".join(text.split())


@settings(max_examples=150, deadline=None)
@given(st.lists(TURNS, min_size=1, max_size=12), st.sampled_from(EVERY_SETTING))
def test_columns_agree_with_plain_python(turns, setting):
    params = DEFAULT.model_copy(update=setting)
    expected = [(speaker, plain(speaker, text, params)) for speaker, text in turns]
    assert clean_rows(turns, params) == [turn for turn in expected if turn[1]]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8), st.sampled_from(EVERY_SETTING))
def test_any_text_is_cleaned_without_stray_spaces(texts, setting):
    params = DEFAULT.model_copy(update=setting)
    for _, text in clean_rows([("agent", text) for text in texts], params):
        assert text
        assert "" not in text.split(" ")
        assert not re.search(r"[\t\n\r\u00a0]", text)


def test_reference_keeps_case_and_punctuation():
    assert clean_reference("  The  Q&amp;A's\tURL: https://x.org (#1)! ") == (
        "The Q&A's URL: https://x.org (#1)!"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Issue: leaks \n\n \t\nAction:\tphoto\n", "Issue: leaks\nAction: photo"),
        ("a\r\nb\u2028c\rd", "a\nb\nc\nd"),
        (
            "<p>Issue: leaks</p><p>Action: <b>photo</b><br>Next: call</p>",
            "Issue: leaks\nAction: photo\nNext: call",
        ),
        ("first &amp; second\nthird", "first & second\nthird"),
        (" \n ", ""),
    ],
)
def test_reference_keeps_its_lines(text, expected):
    assert clean_reference(text) == expected
    assert clean_reference(expected) == expected


@given(st.text(alphabet=st.characters(exclude_characters="<&"), max_size=60))
def test_reference_of_one_line_is_its_words(text):
    if len(text.splitlines()) < 2:
        assert clean_reference(text) == " ".join(text.split())
    assert clean_reference(text).split() == text.split()
