"""Cards and phones between commas and bars go; lists of prices, years and scores stay."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.cleaning.identifiers import luhn
from tests.cleaning.test_redaction_neighbours import redacted
from tests.helpers.redaction import NEIGHBOURS, readable

MARKS = [",", "|", "~", "*", "…", "...", ";"]
SECRETS = [
    "4111{}1111{}1111{}1111",
    "3782{}822463{}10005",
    "07700{}900123",
    "07700{}900{}123",
    "+44{}7700{}900123",
]
AROUND = ["{}", "it is {}, thanks", "({})", "电话{}谢谢", "call:{};", "«{}»", "ok{} ok"]


@pytest.mark.parametrize("mark", MARKS)
def test_cards_and_phones_between_marks_are_redacted(mark):
    for secret, around in product(SECRETS, AROUND):
        kind = "card" if "1111" in secret or "3782" in secret else "phone"
        (text,) = redacted([around.format(secret.replace("{}", mark))])
        assert text.replace(f"k ({kind})", f"k({kind})") == around.format(f"({kind})")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NEIGHBOURS),
            st.builds(str.replace, st.sampled_from(SECRETS), st.just("{}"), st.sampled_from(MARKS)),
            st.sampled_from(NEIGHBOURS),
        ),
        min_size=30,
    )
)
def test_any_neighbour_may_stand_beside_them(planted):
    texts = redacted(list(map("".join, planted)))
    for (left, secret, _), text in zip(planted, texts, strict=True):
        assert not readable(secret, left, text), text


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9999), min_size=4, max_size=4), min_size=20))
def test_four_groups_that_are_no_card_stay(lists):
    texts = [",".join(f"{group:04}" for group in groups) for groups in lists]
    plain = [text.replace(",", "") for text in texts]
    texts = [text for text, digits in zip(texts, plain, strict=True) if not luhn(digits)]
    if texts:
        assert redacted([f"rows {text} of it" for text in texts]) == [
            f"rows {text} of it" for text in texts
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my number is 07700, 900123", "my number is (phone)"),
        ("call 555, 123, 4567", "call (phone)"),
        ("my number is 06,12,34,56,78", "my number is (phone)"),
        ("4111, 1111, 1111, 1111", "(card)"),
        ("card number 4111,1111,1111,1111", "card number (card)"),
        ("07700900123,07700900456", "(phone),(phone)"),
    ],
)
def test_with_spaces_a_word_says_that_it_is_a_phone(text, expected):
    assert redacted([text]) == [expected]


def test_lists_of_other_numbers_stay():
    texts = [
        "1,234,567", "12,345,678,901", "2019,2020,2021", "2019,2020,2021,2022", "10,20,30,40",
        "0 3 1 2", "0,1,2,3,4,5,6,7,8,9", "07,08,09,10,11", "1000,2000,3000,4000", "4200,4500,4800,5100",
        "1|2|3|4", "2016|2017|2018|2019", "0900,1030,1200,1330", "01310,01311", "0.5,0.25,0.125", "scores 21,19,21,15",
        "0,99;1,49;12,50", "call costs 1,234,567 a year", "1,000...2,000...3,000", "lost 012,345,678 times",
    ]  # fmt: skip
    assert redacted(texts) == texts


def test_long_texts_take_linear_time():
    for part in ("0123,", "4111|", "0,", "01~02*"):
        redacted([part * 20_000])
