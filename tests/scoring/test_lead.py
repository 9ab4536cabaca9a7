"""Lead-2 is the first two turns of a dialogue or the first two sentences of a text."""

import pytest

from stages.scoring.lead import first_sentences, lead_2

TEXTS = {
    "English": "It rained. Nobody came! The game was lost.",
    "quotes": 'He said: "It rained." She left (at noon.) Then it stopped.',
    "titles and initials": "Mr. J. Smith of the U.S. Army met Dr. Lee at No. 5. They talked. He left.",
    "a word that is also short for another": "He said no. No. 5 was free. She left.",
    "numbers": "It cost 3.5 million. Fig. 2 shows it, e.g. in 2.1 of example.com. Nobody paid.",
    "small letters": "it rained . nobody came ? the game was lost .",
    "a question within": "Why? she asked herself. Nobody knew. The game was lost.",
    "French": "Il pleut ! Est-ce vrai ? Oui.",
    "Spanish": "¿Llueve? La Sra. López no vino. Nadie jugó.",
    "Russian": "Шёл дождь. Г. Иванов не пришёл. Игру проиграли.",
    "Chinese": "下雨了。没有人来！比赛输了。",
    "Japanese": "雨が降った。「誰も来ない。」試合に負けた。",
    "Hindi": "बारिश हुई। कोई नहीं आया। खेल हार गए।",
    "Arabic": "هل أمطرت؟ لم يأت أحد. خسرت المباراة.",
    "Urdu": "بارش ہوئی۔ کوئی نہیں آیا۔ کھیل ہار گئے۔",
    "Amharic": "ዝናብ ዘነበ። ማንም አልመጣም። ተሸነፉ።",
    "Burmese": "မိုးရွာသည်။ မည်သူမျှမလာ။ ရှုံးသည်။",
    "Armenian": "Անձրեւ եկավ։ Ոչ ոք չեկավ։ Պարտվեցին։",
}
THIRD = {
    "English": " The game was lost.",
    "quotes": " Then it stopped.",
    "titles and initials": " He left.",
    "a word that is also short for another": " She left.",
    "numbers": " Nobody paid.",
    "small letters": " the game was lost .",
    "a question within": " The game was lost.",
    "French": " Oui.",
    "Spanish": " Nadie jugó.",
    "Russian": " Игру проиграли.",
    "Chinese": "比赛输了。",
    "Japanese": "試合に負けた。",
    "Hindi": " खेल हार गए।",
    "Arabic": " خسرت المباراة.",
    "Urdu": " کھیل ہار گئے۔",
    "Amharic": " ተሸነፉ።",
    "Burmese": " ရှုံးသည်။",
    "Armenian": " Պարտվեցին։",
}


@pytest.mark.parametrize("name", TEXTS)
def test_first_two_sentences_are_found(name):
    assert TEXTS[name].endswith(THIRD[name])
    assert first_sentences(TEXTS[name], 2) == TEXTS[name].removesuffix(THIRD[name])


@pytest.mark.parametrize("text", ["One only.", "One. And a second", "no end at all", ""])
def test_text_of_fewer_sentences_is_complete(text):
    assert first_sentences(text, 2) == text


def test_lead_2_takes_two_turns_or_two_sentences():
    def turns(*pairs):
        return [{"speaker": speaker, "text": text} for speaker, text in pairs]

    talk = turns(("a", "Hi. It is late. Very late."), ("b", "Yes."), ("a", "Bye."))
    assert lead_2(talk) == "Hi. It is late. Very late. Yes."
    assert lead_2(turns((None, "Hi. It is late. Very late."))) == "Hi. It is late."
    assert lead_2(turns(("a", "Hi. It is late. Very late."))) == "Hi. It is late. Very late."
    assert lead_2(turns((None, "Hi."), (None, "Late."), (None, "Bye."))) == "Hi. Late."
