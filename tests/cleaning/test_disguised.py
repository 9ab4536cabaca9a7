"""Numbers and addresses are redacted even if they are spaced out, joined or spelled in words."""

import re

import pytest

from tests.cleaning.test_redaction_neighbours import redacted

EMAILS = [
    "jo[at]example.com",
    "JO[AT]EXAMPLE.COM",
    "jo (at) example (dot) com",
    "jo (at) example dot com",
    "jo.doe(at)mail.example.co.uk",
    "jo [dot] doe [at] example [dot] com",
    "jo{at}example{dot}com",
    "jo (@) example.com",
    "jo<at>example.com",
]
PHONES = [
    "07700_900_123",
    "07700-900_123",
    "07700 _ 900 _ 123",
    "+44_7700_900123",
    "555_123_4567",
    "0 7 7 0 0 9 0 0 1 2 3",
    "0  7 7 0 0  9 0 0  1 2 3",
    "0 7 7 0 0 9 0 0 12 3",
    "0.7.7.0.0.9.0.0.1.2.3",
    "0-7-7-0-0-9-0-0-1-2-3",
    "+4 4 7 7 0 0 9 0 0 1 2 3",
    "０ ７ ７ ０ ０ ９ ０ ０ １ ２ ３",
]
OTHERS = {
    "my number is 5 5 5 1 2 3 4 5 6 7": "my number is (phone)",
    "4111_1111_1111_1111": "(card)",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1": "(card)",
    "sort code 12-34-56": "sort code (number)",
    "Sort Code: 01 02 03, thanks": "Sort Code: (number), thanks",
    "the sort code is 123456": "the sort code is (number)",
    "12-34-56 12345678": "(number)",
    "12-34-56, account number 12345678": "(number)",
    "12-34-56": "(number)",
    "12-34-56.": "(number).",
}
STAYS = [
    "12-03-2024 and 12-03-24",
    "12-03-24",
    "we won 25-34-56 in sets",
    "10-12-14-16-18",
    "IMG_20240312_101530.jpg and 2024_03_12",
    "file_07700_900_123x and snake_case_1_2_3",
    "10_000_000 or 1_000_000_000",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "5 4 5 3 5 5 4 5 5 5",
    "scores: 4 3 1 2 5 4 1 1 3 2",
    "scores: 0 3 1 2 4 1 5 2 3 1 2",
    "meet me (at) noon. Yes",
    "look [at] this. Really",
    "room (at) 12.30 pm",
    "a sort of code 12, code 34-56",
]
AROUND = ["{}", "it is {}, thanks", "({})", "电话{}谢谢", "call:{};", "«{}»"]


@pytest.mark.parametrize("around", AROUND)
def test_disguised_addresses_and_numbers_are_redacted(around):
    assert redacted([around.format(e) for e in EMAILS]) == [around.format("(email)")] * len(EMAILS)
    assert redacted([around.format(p) for p in PHONES]) == [around.format("(phone)")] * len(PHONES)


def test_context_decides_the_kind_of_a_number():
    assert redacted(list(OTHERS)) == list(OTHERS.values())
    # The text around it is kept, and no digit is left.
    assert not re.search(r"\d", " ".join(redacted([f"so, {text}!" for text in list(OTHERS)[:8]])))


def test_dates_scores_and_file_names_are_kept():
    assert redacted(STAYS) == STAYS


def test_long_texts_take_linear_time():
    for part in ("0 ", "a[at]", "1_", "sort code ", "12-34-", "a (dot) "):
        redacted([part * 20_000])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my card: 4111 1111\n1111 1111, ok", "my card: (card), ok"),
        ("4111-1111-\n1111-1111", "(card)"),
        ("4111\r\n1111\r\n1111\r\n1111", "(card)"),
        ("call me on 07700\n900123", "call me on (phone)"),
        ("07700\t900123", "(phone)"),
        ("07700 900456\n06 12 34 56 78", "(phone)\n(phone)"),
        ("12\n15\n18 and 1920\n1080", "12\n15\n18 and 1920\n1080"),
    ],
)
def test_number_is_redacted_over_the_end_of_a_line(text, expected):
    assert redacted([text]) == [expected]


@pytest.mark.parametrize(
    "around", ["({})", "[{}]", '"{}"', "“{}”", "'{}'", "**{}**", "«{}»", "_{}_"]
)
def test_order_number_is_redacted_in_quotes_brackets_and_markdown(around):
    (text,) = redacted([f"the order {around.format(1234567)} is late"])
    assert "1234567" not in text and text.endswith(" is late")


def test_every_digit_of_an_account_s_number_is_redacted():
    assert redacted(["konto 61 1090 1014 0000 0712 1981 2874"]) == ["konto (number)"]
    assert redacted(["passport no. X1234567"]) == ["passport no. (number)"]


def test_hours_sections_and_sums_stay():
    texts = [
        "open 0900-1730 or 0930 - 1800",
        "see section 4.2.1.3",
        "账户余额12345元",
        "주문금액 12345원",
    ]
    assert redacted(texts) == texts
