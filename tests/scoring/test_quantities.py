"""Numbers, amounts, times and dates are compared by what they mean, in any writing."""

import pytest

from stages.scoring.quantities import Held, quantities

SAME = [
    ("paid 1,234.50 today", "1.234,50"),
    ("1 234,50 paid", "1,234.50"),
    ("1'000.50 CHF", "CHF 1,000.50"),
    ("1,23,456 rupees", "123456"),
    ("two cats", "2 cats"),
    ("2 cats", "two cats"),
    ("two hundred thirty one", "231"),
    ("Zwei Wochen", "2 Wochen"),
    ("٣ قطط", "3"),
    ("２０２４", "2024"),
    ("三百二十个", "320"),
    ("3万", "30000"),
    ("5k", "5,000"),
    ("5 million", "5,000,000"),
    ("$5", "5 USD"),
    ("5 dollars", "$5"),
    ("it was 5", "$5"),
    ("200$", "$200"),
    ("2 500 Euro", "2500 €"),
    ("iphone7 256gb", "iPhone 7 with 256 GB"),
    ("iPhone 7 256 gb", "256 GB"),
    ("9kg of it", "9 kg"),
    ("3pm", "15:00"),
    ("15:00", "3 p.m."),
    ("at 3", "3pm"),
    ("3pm", "at 3"),
    ("15h30", "15:30"),
    ("15 Uhr", "3pm"),
    ("下午3点30分", "15:30"),
    ("call at 3.30", "3:30"),
    ("5 March", "03/05"),
    ("March 5th, 2024", "2024-03-05"),
    ("5. März 2024", "05.03.2024"),
    ("2024年3月5日", "5 March 2024."),
    ("March 5", "on 3/5/2024."),
    ("the third one", "3"),
    ("v1.0.64.399", "1.0.64.399"),
    ("10.00 coupon", "10"),
]
OTHER = [
    ("€5", "$5"),
    ("$5", "$50"),
    ("3am", "3pm"),
    ("3:30", "15:45"),
    ("March 5th, 2023", "2024-03-05"),
    ("5 March", "6 March"),
    ("35 minutes", "36 minutes"),
    ("1,234", "1,235"),
    ("(phone)", "0800 123 456"),
    ("v1.0.64.399", "1.0.64.398"),
    ("1.5 kg", "15 kg"),
    ("", "7"),
]


def held(conversation: str, summary: str) -> list[bool]:
    known = Held(conversation)
    return [one in known for one in quantities(summary) if one.claim]


@pytest.mark.parametrize(("conversation", "summary"), SAME)
def test_the_same_in_another_writing_is_held(conversation, summary):
    found = held(conversation, summary)
    assert found and all(found)


@pytest.mark.parametrize(("conversation", "summary"), OTHER)
def test_another_quantity_is_not_held(conversation, summary):
    found = held(conversation, summary)
    assert found and not any(found)


@pytest.mark.parametrize(
    "text", ["", "one of them asks for a second bag", "一些问题", "no numbers"]
)
def test_words_that_are_no_claim(text):
    assert held("", text) == []


def test_positions_are_those_of_the_text():
    text = "İ paid １２ USD on 5 March at 3pm, 2 days ago"
    found = {text[one.start : one.end] for one in quantities(text) if one.claim}
    assert found == {"１２ USD", "5 March", "3pm", "2"}
