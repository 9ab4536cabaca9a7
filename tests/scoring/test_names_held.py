"""A name is held as a word, a form of one, or a part of a handle, and never by chance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scoring.names import Capitals, names
from stages.scoring.names_held import NamesHeld

HELD = [  # a conversation, and a summary whose names it all holds
    ("thanks @amazonhelp", "The Amazon parcel is late."),
    ("@AppleSupport please", "The Apple phone is broken."),
    ("@British_Airways is late", "The British Airways flight is late."),
    ("@britishairways is late", "The British Airways flight and the British crew are late."),
    ("ask @virgintrains", "The Virgin trains are late."),
    ("try @askamex", "The Amex card is blocked."),
    ("marksandspencer is closed", "The Marks and Spencer shop is closed."),
    ("on livechat now", "The Live chat is closed."),
    ("my xbox360 broke, xboxone too", "The Xbox and the Xbox One broke."),
    ("my rokumodem, a modem", "The Roku is broken."),
    ("sainsburys is closed", "The Sainsbury's shop is closed."),
    ("in america", "The American calls."),
    ("ostin amazonista kirjan", "The Amazon book is late."),  # Finnish
    ("иваном", "The Иван calls."),
    ("wi-fi is down", "The Wi-Fi is down."),
    ("Ελένη", "The ΕΛΈΝΗ calls."),
    ("come on sat", "Come on Saturday."),
    ("open sat & sun", "Open on Saturday and Sunday."),
    ("fri-sun", "Open from Friday to Sunday."),
    ("sat 5th, mon 7th", "Come on Saturday or Monday."),
    ("sun morning", "Come on Sunday."),
    ("12 jan to mar 3", "From January to March."),
    ("due sept, tues or thurs", "In September on Tuesday or Thursday."),
]
BY_CHANCE = [  # a conversation, and a summary of whose names it holds none
    (
        "thanks for ordering, really several cancellation",
        "Agent named Hank tells that Erin, Vera, Ella and Ally will call.",
    ),
    ("please forward it for me", "They ask for Ward."),
    ("standard willing marketing", "They ask Stan, Will or Mark."),
    ("a person personally", "They ask Ally."),
    ("otherwise support me, other", "They ask Wise or Port."),
    ("i sat on hold in the sun", "Come on Saturday or Sunday."),
    ("i sat 20 minutes, my sun hat", "Come on Saturday or Sunday."),
    ("jan said they mar it", "In January or March."),
]


def found(conversation: str, summary: str) -> dict[str, bool]:
    held = NamesHeld(conversation)
    return {name.text: name in held for name in names(summary, Capitals(mark_names=True))}


@pytest.mark.parametrize(("conversation", "summary"), HELD)
def test_names_that_are_held(conversation, summary):
    result = found(conversation, summary)
    assert result and all(result.values()), result


@pytest.mark.parametrize(("conversation", "summary"), BY_CHANCE)
def test_names_that_are_in_longer_words_by_chance(conversation, summary):
    result = found(conversation, summary)
    assert result and not any(result.values()), result


WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzäßéжя"), min_size=4, max_size=8)


@given(WORDS, WORDS, WORDS, st.sampled_from(["help", "support", "cares", "uk", "airways", "24"]))
def test_a_handle_holds_its_name_and_no_letters_from_its_middle(before, name, behind, handle):
    title = name[0].upper() + name[1:]
    assert all(found(f"see @{name}{handle}", f"Ask {title} for it.").values())
    if name[:4] not in before + behind:
        inside = found(f"q{before}{name}{behind}q", f"Ask {title} for it.")
        assert not any(inside.values())
