"""Any number is held in words, in groups and at any length, in time that grows with the text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scoring.number_words import english_values
from stages.scoring.quantities import Held, quantities
from tests.scoring.test_quantities import held

UNITS = "one two three four five six seven eight nine".split()  # noqa: SIM905
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def spelled(n: int, conjunction: str, hyphen: str) -> str:
    """In English, of the test's own."""
    for size, word in ((10**6, "million"), (1_000, "thousand"), (100, "hundred")):
        if n >= size:
            many, rest = divmod(n, size)
            link = conjunction if rest < 100 else " "
            end = link + spelled(rest, conjunction, hyphen) if rest else ""
            return f"{spelled(many, conjunction, hyphen)} {word}{end}"
    if n < 10:
        return UNITS[n - 1]
    if n < 20:
        return TEENS[n - 10]
    return TENS[n // 10 - 2] + (hyphen + UNITS[n % 10 - 1] if n % 10 else "")


@pytest.mark.parametrize("n", range(2, 100))
def test_every_small_number_in_words_is_a_claim(n):
    # Also six, which is French, too.
    assert held("", f"they book {spelled(n, ' ', '-')} seats") == [False]


NUMBERS = st.one_of(st.integers(2, 2_000), st.integers(2, 10**8 - 1))


@given(NUMBERS, st.sampled_from([" ", " and "]), st.sampled_from([" ", "-"]), NUMBERS)
def test_any_number_is_held_as_words_and_another_is_not(n, conjunction, hyphen, other):
    words = spelled(n, conjunction, hyphen)
    assert english_values([w for w in words.replace("-", " ").split() if w != "and"]) == [n]
    for unit in (" pounds", ""):
        assert held(words + unit, f"{n}{unit}") == [True]
        assert held(f"{n:,}{unit}", words + unit) == [True]
        # "2,000" may be two, too, with three decimals.
        readings = {other, other / 1000} if 1000 <= other < 10**6 else {other}
        assert held(words + unit, f"{other:,}{unit}") == [n in readings]


@given(st.text("0123456789", min_size=9, max_size=12), st.data())
def test_a_number_in_groups_is_held(digits, data):
    digits = "0" + digits
    cuts = data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    groups, rest = [], digits
    for cut in cuts:
        groups, rest = [*groups, rest[:cut]], rest[cut:]
    for mark in " " if min(cuts) < 3 else " -/":  # 01-02-2034 is a date
        written = mark.join([*groups, rest] if len(rest) > 1 else [*groups[:-1], groups[-1] + rest])
        assert all(held(f"call {written} now", f"call {digits}")), written
        assert all(held(f"call {digits} now", f"call {written}")), written


@pytest.mark.parametrize(
    "text", ["9" * 5_000, "1." + "3" * 5_000, "7" * 5_000 + ".30", "九" * 5_000]
)
def test_very_long_numbers_are_read(text):
    assert Held(text).exact
    assert all(held(text, text)) and not any(held(text, "12"))


def test_time_grows_with_the_text_not_with_its_square():
    times = []
    for size in (2_000, 40_000):
        start = time.process_time()
        assert sum(1 for _ in quantities("order 1234567 " * size)) == size
        times.append(time.process_time() - start)
    assert times[1] < 60 * times[0]
