"""National ids and booking codes go after their words; numbers of products and places stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cleaning.test_redaction_neighbours import redacted
from tests.helpers.redaction import LATIN, NEIGHBOURS

IDS = {
    "NIF": ["B12345678", "B-12345678"],
    "DNI": ["12345678Z", "12345678-Z", "12.345.678-Z", "12345678 Z", "12345678"],
    "NIE": ["X1234567L", "X-1234567-L", "y1234567x"],
    "NINO": ["QQ123456C", "QQ 12 34 56 C"],
    "National Insurance": ["QQ 12 34 56 C", "qq123456c"],
    "NI number": ["QQ123456C"],
    "SSN": ["123-45-6789", "123456789", "123 45 6789"],
    "CPF": ["123.456.789-09", "12345678909"],
    "Aadhaar": ["1234 5678 9012"],
    "PAN": ["ABCDE1234F", "abcde1234f"],
    "PESEL": ["44051401359"],
    "codice fiscale": ["RSSMRA85T10A562S", "RSS MRA 85T10 A562S"],
    "PNR": ["ABC123", "X7K9QZ", "abc123"],
    "record locator": ["ABC123"],
    "booking": ["X7K9QZ", "DLIM7U"],
    "order": ["AB-1234-CD", "AB-12-CD34", "ab-1234-cd", "A-123-B"],
}
PAIRS = [(word, secret) for word, secrets in IDS.items() for secret in secrets]
# Signs and letters of other scripts, for a Latin letter or a digit would belong to the number.
BESIDE = [n for n in NEIGHBOURS if n not in LATIN and n not in "#+-−‐‑–—_./%/·•"]


@pytest.mark.parametrize(("word", "secret"), PAIRS)
def test_id_is_redacted_after_its_word(word, secret):
    texts = [
        f"{word} {secret}",
        f"my {word}: {secret}, thanks",
        f"{word} is {secret}.",
        f"({word} {secret})",
    ]
    for text, new in zip(texts, redacted(texts), strict=True):
        start, end = text.split(secret)
        assert new in (f"{start}(number){end}", f"{start}(phone){end}")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(BESIDE), st.sampled_from(PAIRS), st.sampled_from(BESIDE)),
        min_size=30,
    )
)
def test_any_sign_may_stand_beside_an_id(planted):
    texts = redacted([f"{left}{word} {secret}{right}" for left, (word, secret), right in planted])
    for (_, (_, secret), _), text in zip(planted, texts, strict=True):
        assert not any(part in text for part in secret.split()), text


@pytest.mark.parametrize("mark", ["-", "/", "〜", " 1", "."])
def test_a_mark_behind_a_code_is_no_part_of_it(mark):
    texts = [f"booking X7K9QZ{mark}", f"order AB-1234-CD{mark}", f"order 123 456 78{mark}"]
    assert redacted(texts) == [f"{text.split()[0]} (number){mark}" for text in texts]


@pytest.mark.parametrize("between", [", ", "; ", " | ", ",", ";", "|"])
def test_a_comma_may_stand_between_a_word_and_its_number(between):
    assert redacted([f"order{between}123456"]) == [f"order{between}(number)"]


def test_words_that_name_no_number_stay():
    texts = [
        "order, 12 pieces", "in that case, 20000 fans", "an account, 100000 of them", "booking BA2037",
        "PNR declined", "booking code is wrong", "order AB-CD-EF", "order wi-fi now", "pan 12 inches", "serial number 20digits", "card number 16-digit",
        "nie wieder 12345", "nie mam 1234567 zł", "order SM-950F and GTX970", "order 12-PACK",
        "order, 2017-10-23", "ticket, 12500 yen",
    ]  # fmt: skip
    assert redacted(texts) == texts


def test_numbers_stay_after_a_word_for_a_product_a_place_or_an_error():
    texts = [
        "ISBN 978-3-16-148410-0", "ISBN: 9783161484100", "ISBN-13 978-0-306-40615-7", "ISBN 0-306-40615-2",
        "EAN 4006381333931", "UPC 036000291452", "03023594 bar code", "4006381333931 (EAN)", "barcode: 4006381333931", "GTIN 04006381333931",
        "SKU 123-456-789", "SKU: 123-45-6789", "EAN-13 4006381333931", "ISBN number is 9783161484100", "Artikelnummer 123-4567", "part no 123-4567", "part number 123-4567",
        "model 123-4567", "Model no. 555-1234", "CEP 01310-100", "ZIP 12345-6789",
        "error 500 503 504", "errors 500 502 503 504", "error 500-503-504", "HTTP 502 503 504",
    ]  # fmt: skip
    around = ["{}", "the {}, thanks", "({})", "«{}»"]
    texts = [form.format(text) for text in texts for form in around]
    assert redacted(texts) == texts


@pytest.mark.parametrize(
    "text",
    [
        "model 07700 900123", "SKU +44 7700 900123", "error 555-123-4567", "model 555-123-4567", "ISBN 07700900123",
        "order 123456789", "my part: 555-123-4567", "status 4111 1111 1111 1111", "supermodel 555-123-4567",
        "EAN 4006381333931, call 555-123-4567",
    ],
)  # fmt: skip
def test_such_a_word_hides_no_other_number(text):
    (new,) = redacted([text])
    assert new != text and not new.endswith(text[-4:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"jo doe"@example.com', "(email)"),
        ('to "jo doe"@example.com, please', "to (email), please"),
        ("jo @ example.com", "(email)"),
        ("my email is jo @ example.com, ok", "my email is (email), ok"),
        ("e-mail: jo @example.com", "e-mail: (email)"),
        ("jo.doe@ example.com", "(email)"),
        ("it is jo.doe @ example.com now", "it is (email) now"),
        ("shop @ example.com now", "shop @ example.com now"),
        ("at 5 p.m. @ www.example.com", "at 5 p.m. @ www.example.com"),
        ("3 @ 12.50 each", "3 @ 12.50 each"),
        ("thanks @AcmeHelp. Bye", "thanks @AcmeHelp. Bye"),
    ],
)
def test_addresses_with_quotes_and_spaces(text, expected):
    assert redacted([text]) == [expected]


def test_long_texts_take_linear_time():
    for part in ("DNI 1", "pan ", "isbn 978", '"jo ', "a @ b.", "order, ", "e-mail is "):
        redacted([part * 20_000])
