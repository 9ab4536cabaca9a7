"""Every kind of personal number is redacted beside any neighbour; other numbers are kept."""

from itertools import product

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.cleaning.redaction import redact_column
from tests.helpers.redaction import LATIN, NEIGHBOURS, REDACTION, SECRETS, readable
from tests.helpers.shared import shared

ALL = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]
BESIDE = st.lists(st.sampled_from(NEIGHBOURS), max_size=2).map("".join)
STAYS = [
    "It cost £1,299.00 in 2024",
    "at 10:30:15 on 12/03/2024",
    "version 10.15.7 build 19H2",
    "I waited 45 minutes, then 2 hours",
    "flight at 18:05, gate 22",
    "ratio 16:9 and 4:3",
    "room 1204, floor 12",
    "score 3:2 after 90 minutes",
    "pages 100-120",
    "pages 100-1200 and 500-1000",
    "£12.50,£13.75 and £9",
    "we won 3-2, they lost 10-12 and 21:19",
    "from 500-1000 euro, 1500-2000 USD",
    "the 08.15 for 22112017 priced at 45",
    "open 08.05-09.30 and 18:00-20:30",
    "open Mon-Fri 9-17, Sat 10.00-14.00",
    "Es kostet 12.500,00 € oder 1.299,99 EUR",
    "ça coûte 1 250 000 € ou 12 500,50 €",
    "1.000.000.000 people and 1,000,000,000 stars",
    "population 8 100 000 000",
    "$1000000, $2,147,483,647 and ¥1250000",
    "价格是¥12,500，共3件，2024年3月12日",
    "订单共3件商品，2024年3月12日18点30分发货",
    "注文は2点、2024年3月12日10時30分に届きました",
    "注文から3日、価格は12,500円です",
    "주문한 지 3일, 가격은 12,500원",
    "заказ пришёл 12.03.2024 в 18:05, цена 12 500 ₽",
    "поезд 1234, вагон 12, место 45",
    "الطلب وصل في 12/03/2024 الساعة 18:05 بسعر 1250 ريال",
    "وصل القطار ١٢٣٤ الساعة ١٨:٠٥",
    "ट्रेन 12345 10:30 पर, किराया ₹1,250.00",
    "ऑर्डर 2 दिन पहले, ₹12,500",
    "le 12/03/2024 à 18h05, train TGV 8421",
    "am 12.03.2024 um 18:05 Uhr, ICE 1234, Gleis 12",
    "il 12-03-2024 alle 18.05, treno 9612",
    "el 12/03/24 a las 18:05, vuelo IB 3170",
    "12.03.24 18:05 and 01.03.24 18:05",
    "on 05 12 2024 14:30",
    "2024-03-12T10:30:15.123456789Z",
    "2024-03-12 10:30 until 2024-03-13 11:45",
    "20240312 and 12032024",
    "iPhone 15, Galaxy SM-G950F, WH-1000XM4, i7-12700K, RTX4090",
    "KB4048955, error 0x80300113, E-4021",
    "iOS 17.3.1, Chrome 61.0.3163.100, v1.0.64.399, version 8.4.22.515",
    "firmware 1.2.3.4, Windows 10.0.19045.3570",
    "Python 3.11.7, macOS 12.6.1",
    "flights BA2037, LH 1234 and EK0201 to LHR",
    "10115 Berlin, 90210, 75008 Paris",
    "90210-1234 and SW1A 1AA",
    "〒100-0001, 1012 AB Amsterdam, 00-950 Warszawa, 1000-001 Lisboa",
    "100%, 12.5%, 99.999% and 0.123456",
    "3.141592653589793 and 2.718281828",
    "10.5 kg, 1500 m², 3840x2160, 120 x 200 x 45 cm",
    "15000 points, 128000 km, 24/7, 9-5, 365 days",
    "order 10000 points or 250000 miles",
    "my order of 250 came, order 2 items in 2017",
    "card declined 3 times; account closed in 2016",
    "seats 12 13 14 15 16",
    "10 2017 2018 2019 2020",
    "the years 2017-2018, 2017-2018-2019 and 1999/2000",
    "std::vector, C::D and 16::9",
    "@115858 hello @Acme",
    "@418273 1894, what a year",
    "PO 2017/18, platform 12, bus 480, line 7",
    "size 42, 10-12, EU 42.5",
    "I have 2 cards, 3 accounts and 12 orders",
    "12 x 45.00, 3 @ 12.50 each",
    "#1 in 2024, #EURO2016, #2024goals, #CES2018",
    "pH 7.4, 37.5°C, -40°C, 230V, 50Hz",
    "5G, 4K, 1080p, 256GB, 5000mAh, 2.4GHz",
    "HD 1080, 1920/1080, 16.9",
    "12/24 V, 3/4, 1/2",
    "chapter 12, §433, ISO 9001, DIN 476, RFC 2616",
    "USB 3.2, HDMI 2.1, 802.11ac",
    "0.5, 0.25, 00:00, 23:59:59",
    "step 1 of 10, 1/10, 3 out of 5",
    "bis zu 50.000 Punkte, 12.000 km, 3 Stunden",
    "order 12500.00 EUR",
    "see order no. 12 of 20",
    "ticket price 12500 yen",
    "case 3 of 4, ref 12",
    "the order 2 weeks ago",
    "train 12345 at 10:05",
    "ISBN page 1234567",
    "1234567 views, 12345678 users",
    "temperature 20-25, 100-200-300, 10-12-14-16-18",
    "1 000 000 000 and 2 500 000 000",
]


def redacted(texts: list[str]) -> list[str]:
    return redact_column(pl.Series(texts), REDACTION)[0].to_list()


@pytest.mark.parametrize(("kind", "secret"), ALL)
def test_number_is_redacted_beside_every_neighbour(kind, secret):
    sides = [(n, "") for n in NEIGHBOURS] + [("", n) for n in NEIGHBOURS]
    sides += [(n, n) for n in NEIGHBOURS] + [(n, " then") for n in NEIGHBOURS]
    texts = redacted([f"{left}{secret}{right}" for left, right in sides])
    left_over = [
        got for (left, _), got in zip(sides, texts, strict=True) if readable(secret, left, got)
    ]
    assert not left_over
    assert texts[0] in (f"({kind})", f"{secret.split('#')[0]}({kind})") or kind == "number"


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(BESIDE, st.sampled_from(ALL), BESIDE), min_size=1, max_size=20))
@example([("::", ("phone", "020-7946-0958"), "")])  # no IPv6 address
@example([("+ ", ("number", "123456789"), "")])
def test_number_is_redacted_between_any_neighbours(planted):
    texts = redacted([left + secret + right for left, (_, secret), right in planted])
    for (left, (_, secret), _), text in zip(planted, texts, strict=True):
        assert not readable(secret, left, text)


@pytest.mark.parametrize("between", [",", ";", "/", " / ", " or ", "\n", "、", "，", "·", "و"])
def test_two_numbers_in_a_row_are_both_redacted(between):
    pairs = list(product([secret for kind, secret in ALL if kind in ("phone", "card")], repeat=2))
    for (first, second), text in zip(
        pairs, redacted([f"{a}{between}{b}" for a, b in pairs]), strict=True
    ):
        assert not readable(first, "", text), (first, second, text)


def test_text_beside_a_number_is_kept():
    for text in ("电话{}请回电", "call {}, thanks", "«{}»", "тел.{};", "({})", "โทร{}ครับ"):
        assert redacted([text.format("07700900123")]) == [text.format("(phone)")]


@pytest.mark.parametrize("text", STAYS)
def test_harmless_text_is_kept_beside_every_neighbour(text):
    beside = [n for n in NEIGHBOURS if n not in (*LATIN, "#", "+")]
    texts = [f"{left}{text}{right}" for n in beside for left, right in ((n, n), (n, ""), ("", n))]
    assert redacted(texts) == texts


@pytest.mark.parametrize("name", ["must_go", "must_stay"])
def test_shared_cases_are_redacted_or_kept(name):
    lines = (shared(f"cases/redaction/{name}.txt")).read_text("utf-8").splitlines()
    texts = redacted(lines)
    if name == "must_stay":
        assert texts == lines
    assert name == "must_stay" or not any(
        readable(line, "", text) for line, text in zip(lines, texts, strict=True)
    )
