"""The script of all texts together decides tokenizer and unit."""

import polars as pl
import pytest

from stages.common.languages import choose_tokenizer, is_english, length_unit, lengths
from stages.common.limits import fitting_limit, too_many

ENGLISH = "The customer says that the kettle leaks, and the agent asks for a photo of it."
GERMAN = "Die Kundin sagt, dass der Kocher ausläuft, und der Agent bittet um ein Foto."


@pytest.mark.parametrize(
    ("text", "tokenizer", "unit"),
    [
        (ENGLISH, "13a", "words"),
        (GERMAN, "13a", "words"),
        ("客户反映水壶101漏水，客服要求发照片。", "zh", "characters"),
        ("客戶反映 iPhone 壞了，客服要求發照片。", "zh", "characters"),
        ("ケトル101号が漏れるとの苦情。担当は写真を求めた。", "char", "characters"),
        ("고객이 주전자 누수를 신고했다. 상담원은 사진을 요청했다.", "char", "words"),
        ("ลูกค้าร้องเรียนว่ากาน้ำรั่ว เจ้าหน้าที่ขอรูปถ่าย", "char", "characters"),
        ("អតិថិជនត្អូញត្អែរថាកំសៀវលេច។", "char", "characters"),
        ("ຜູ້ໃຊ້ຈົ່ມວ່າກາຕົ້ມນ້ຳຮົ່ວ", "char", "characters"),
        ("ဖောက်သည်က ရေနွေးအိုးယိုတယ်လို့ပြောတယ်။", "char", "characters"),
        ("མཇལ་མཁན་གྱིས་ཁོག་མ་འཛག་གི་འདུག", "char", "characters"),
        ("Клиент жалуется, что чайник течёт.", "13a", "words"),
        ("يشكو العميل من تسرب الغلاية.", "13a", "words"),
        ("הלקוח מתלונן שהקומקום דולף.", "13a", "words"),
        ("ग्राहक कहता है कि केतली टपकती है।", "13a", "words"),
        ("Ο πελάτης λέει ότι ο βραστήρας στάζει.", "13a", "words"),
        ("😀🎉 👍", "char", "words"),
        ("12345 !!", "char", "words"),
        ("", "char", "words"),
    ],
)
def test_script_decides_tokenizer_and_unit(text, tokenizer, unit):
    texts = pl.Series([text])
    assert choose_tokenizer(texts)[0] == tokenizer
    assert length_unit(texts) == unit


def test_few_words_of_another_script_do_not_decide():
    texts = pl.Series([ENGLISH] * 50 + ["客户反映水壶漏水"])
    assert choose_tokenizer(texts)[0] == "13a"
    assert is_english(texts)
    assert length_unit(texts) == "words"


@pytest.mark.parametrize(
    "text",
    [
        GERMAN,
        "De klant zegt dat de ketel lekt of kapot is, en de agent wil een foto van het apparaat.",
        "Kunden siger, at kedlen lækker, og agenten beder om et billede for at hjælpe.",
        "Le client dit que la bouilloire fuit et l'agent demande une photo.",
        "El cliente dice que la tetera pierde agua y el agente pide una foto.",
        "Klient mówi, że czajnik przecieka, a agent prosi o zdjęcie to by pomóc.",
        "Клиент жалуется, что чайник течёт.",
    ],
)
def test_other_languages_are_not_english(text):
    assert not is_english(pl.Series([text]))
    assert is_english(pl.Series([ENGLISH]))


def test_lengths_are_in_words_or_in_characters():
    texts = pl.Series(["客户 反映\n水壶", "a b"])
    assert lengths(texts, "characters").to_list() == [6, 2]
    assert lengths(texts, "words").to_list() == [3, 2]


def test_limit_fits_95_percent():
    sizes = [*range(1, 101)]
    assert fitting_limit(sizes) == 95
    assert not too_many(5, 100) and too_many(6, 100)
    assert fitting_limit([7]) == 7
