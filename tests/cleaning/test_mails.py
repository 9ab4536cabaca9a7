"""Each e-mail of a thread becomes a turn of its author."""

import pytest

from tests.cleaning.test_chat import turns

EXPECTED = [("Mira Lee", "Broken lamp\nhello, my lamp fails"), ("help@example.org", "sorry: see")]
HEADERS = {
    "English": "From: {}\nTo: x@example.org\nDate: Mon, 1 Feb 2024 10:00\nSubject: {}\n\n{}\n\n",
    "Outlook": "From: {}\nSent: Monday, February 1, 2024 10:00 AM\nTo: x\nSubject: {}\n{}\n",
    "bold": "**From:** {}\n**Sent:** Monday\n**To:** x\n**Subject:** {}\n\n{}\n",
    "German": "Von: {}\nGesendet: Montag, 1. Februar 2024 10:00\nAn: x\nBetreff: {}\n\n{}\n\n",
    "French": "De : {}\nEnvoyé : lundi 1 février 2024 10:00\nÀ : x\nObjet : {}\n\n{}\n\n",
    "others first": "Date: 1 Feb 2024\nFrom: {}\nSubject: {}\n\n{}\n\n",
}


@pytest.mark.parametrize("name", HEADERS)
def test_mail_headers_start_a_turn(name):
    first = HEADERS[name].format(
        '"Mira Lee" <mira@example.org>', "Broken lamp", "hello, my lamp fails"
    )
    second = HEADERS[name].format("help@example.org", "Re: Broken lamp", "sorry: see")
    assert turns(first + second) == EXPECTED


def test_speakers_named_van_and_an_are_not_mail_headers():
    assert turns("Van: hello there\nAn: hi, you") == [("Van", "hello there"), ("An", "hi, you")]


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "greeting", ["Hello Amy", "Dear Mr. Park", "Done", "Sehr geehrte Frau Lee"]
)
def test_a_colon_below_the_headers_of_a_thread_names_nobody(name, greeting):
    mails = [
        HEADERS[name].format(who, "Re: lamp", f"{greeting}:\n\n{greeting}: {said}")
        for who, said in (
            ("Jo Park <jo@example.org>", "it fails"),
            ("Amy <amy@example.org>", "sorry"),
        )
    ]
    found = turns("".join(mails))
    assert [speaker for speaker, _ in found] == ["Jo Park", "Amy"]
    assert all(text.startswith(f"{greeting}:") for _, text in found)


def test_a_chat_below_one_header_keeps_its_speakers():
    header = HEADERS["English"].format("Chat <chat@example.org>", "Re: chat", "")
    assert turns(header + "Mira: hello there\nTom: hi, you\nMira: thanks") == [
        ("Mira", "hello there"),
        ("Tom", "hi, you"),
        ("Mira", "thanks"),
    ]
