"""Numbers, amounts, times and dates are compared by what they mean, in any writing."""

from itertools import permutations

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
# The same in each of these writings, whichever is the conversation's.
WRITINGS = [
    ["120 pounds", "one hundred and twenty pounds", "£120", "one hundred twenty pounds"],
    ["250,000 euros", "two hundred and fifty thousand euros", "€ 250.000", "250k euros"],
    ["2005", "two thousand and five", "two thousand five", "two thousand and five"],
    ["5 dollars", "five dollars", "$5", "five bucks"],
    ["june 25th", "June twenty-fifth", "25. Juni", "the twenty-fifth of June", "25 juin"],
    ["march 1st", "the first of March", "March the first", "1. März", "1er mars", "01/03"],
    ["on march 21", "am 21.3.", "bis 21.03.", "am 21.03 dann", "am 21. März", "March 21", "21. 3. dne",
     "March twenty-first", "el 21 de marzo", "21/3"],
    ["21.03.2024", "am 21. 3. 2024", "21 mars 2024", "2024-03-21"],
    ["5pm", "17h", "17:00", "17 h", "17 Uhr", "five pm", "17 heures", "5 p.m."],
    ["5:30 pm", "17h30", "17:30", "17 h 30", "five thirty pm", "17 heures 30", "17 Uhr 30"],
    ["2 lakh rupees", "200,000 rupees", "two lakh rupees", "₹2,00,000", "2 लाख rupees", "Rs. 2 lakhs"],
    ["3 crore", "30,000,000", "three crores", "3 करोड़"],
    ["1.5 million", "1,5 Millionen", "1,5 Mio.", "1.5\u00a0million", "1.5\nmillion", "1,5 millones", "1 500 000", "1,5 млн"],
    ["0800 123 456", "0800123456", "0800-123-456", "(0800) 123456", "0800 / 123 456"],
    ["06 12 34 56 78", "0612345678", "06-12-34-56-78", "06.12.34.56.78"],
    ["+49 711 123456", "+49 (0)711 123456", "49711123456"],
    ["1-800-555-1234", "18005551234", "+1 800 555 1234"],
    ["800-555-1234", "8005551234", "(800) 555-1234", "800 555 1234"],
    ["113-1234567-1234567", "11312345671234567"],
    ["twenty twenty-four", "2024", "２０２４"],
    ["the twenty-second", "22nd", "22"],
]  # fmt: skip
SAME += [pair for same in WRITINGS for pair in permutations(same, 2)]
SAME += [
    ("they said 0800 then 123 456", "0800 123 456"),
    ("0800 123 456", "ends in 456, begins with 0800"),
    ("2 hours", "2h"),
    ("2 horas 30 productos", "30 productos"),
    ("tel:+4420 7946 0958", "+442079460958"),
    ("2h", "2 hours"),
    ("twenty second delay", "20 seconds"),
    ("between one hundred and fifty", "100 to 50"),
    ("one hundred and two hundred", "100 or 200"),
    ("the fifteenth", "15"),
]
OTHER = [
    ("one hundred and twenty pounds", "100 pounds"),
    ("one hundred and twenty pounds", "20 pounds"),
    ("one hundred and twenty pounds", "€120"),
    ("june 25th", "June twenty-sixth"),
    ("June twenty-fifth", "june 5th"),
    ("am 21.3.", "am 21. April"),
    ("am 21.3.", "March 22"),
    ("21.3. ist es", "21 Stück"),
    ("five am", "5pm"),
    ("17h", "5am"),
    ("17h30", "17:31"),
    ("2 lakh rupees", "20,000 rupees"),
    ("2 crore", "2 lakh"),
    ("€5.10.", "$5.10."),
    ("0800 123 456", "0800 123 457"),
    ("0800123456", "0800 123 457"),
    ("0800 123 457", "0800123456"),
    ("800", "0800 123 456"),
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
    "text",
    [
        "",
        "one of them asks for a second bag",
        "一些问题",
        "no numbers",
        "they may first call, one may ask a third of them, one second later",
    ],
)
def test_words_that_are_no_claim(text):
    assert held("", text) == []


def test_positions_are_those_of_the_text():
    text = "İ paid １２ USD on 5 March at 3pm, 2 days ago"
    found = {text[one.start : one.end] for one in quantities(text) if one.claim}
    assert found == {"１２ USD", "5 March", "3pm", "2"}
