"""Numbers as words, names of months and of currencies: what `quantities` knows by heart."""

import math
from decimal import Decimal

import regex

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH = {word: 10 * n for n, word in enumerate(TENS.split(), 1)}
ENGLISH |= {word: n for n, word in enumerate(SMALL.split())}
TIMES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
TIMES |= dict.fromkeys(["lakh", "lakhs"], 10**5) | dict.fromkeys(["crore", "crores"], 10**7)
# Behind digits, also these. A mil is a thousand in Spanish, and English is short for a million.
SCALES = {word: {value} for word, value in TIMES.items()} | {"k": {1_000}, "mil": {1_000, 10**6}}
for value, words in (
    (1_000, "tausend tsd tsd. mille mila duizend tys tys. тыс тыс. тысяч тысячи тысяча"),
    (1_000, "ह\u095bार ह\u091c\u093cार हजार"),
    (10**5, "lac lacs लाख"),
    (
        10**6,
        "millions millionen mio mio. millones millón milioni milione milhões milhão miljoen mln mln.",
    ),
    (10**6, "миллион миллиона миллионов млн"),
    (10**7, "करो\u095c करो\u0921\u093c"),
    (10**9, "milliarde milliarden mrd mrd. milliard milliards miliardi miliardo miljard mld mld."),
    (10**9, "миллиард миллиарда миллиардов млрд"),
):
    SCALES |= {word: {value} for word in words.split()}
FIRST = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
ORDINALS = {word: n for n, word in enumerate(FIRST.split(), 1)}
ORDINALS |= {word[:-1] + "ieth": n for word, n in ENGLISH.items() if word.endswith("ty")}
# Not counted as a claim of a summary, for most are words of another meaning or language as well.
OTHERS = {"once": 1, "twice": 2, "dozen": 12} | {
    word: n
    for words in (
        FIRST,
        "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "un deux trois quatre cinq six sept huit neuf dix onze douze",
        "uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "uno due tre quattro cinque sei sette otto nove dieci undici dodici",
        "um dois três quatro cinco seis sete oito nove dez onze doze",
        "een twee drie vier vijf zes zeven acht negen tien elf twaalf",
        "один два три четыре пять шесть семь восемь девять десять",
        "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة",
    )
    for n, word in enumerate(words.split(), 1)
    if word != "once"
}
OTHERS |= ORDINALS
CHINESE = {c: n % 10 for n, c in enumerate("〇一二三四五六七八九零壹贰叁肆伍陆柒捌玖")} | {
    "两": 2,
    "兩": 2,
}
CHINESE_TIMES = {
    "十": 10,
    "百": 100,
    "千": 1_000,
    "万": 10_000,
    "萬": 10_000,
    "億": 10**8,
    "亿": 10**8,
}

MONTHS = {
    month: n
    for months in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    )
    for n, month in enumerate(months.split(), 1)
} | {"sept": 9}

DOLLARS = "usd aud cad nzd sgd hkd mxn"
CURRENCIES = {  # by what stands beside a number: the currencies that it may mean
    **dict.fromkeys(["$", "dollar", "dollars", "bucks", "us$"], frozenset(DOLLARS.split())),
    **dict.fromkeys(["€", "euro", "euros", "eur"], frozenset(["eur"])),
    **dict.fromkeys(["£", "pound", "pounds", "quid", "gbp"], frozenset(["gbp"])),
    **dict.fromkeys(["¥", "￥"], frozenset(["jpy", "cny"])),
    **dict.fromkeys(["yen", "円", "jpy"], frozenset(["jpy"])),
    **dict.fromkeys(["yuan", "rmb", "元", "cny"], frozenset(["cny"])),
    **dict.fromkeys(["₹", "rs", "rs.", "rupee", "rupees", "inr"], frozenset(["inr"])),
    **{code: frozenset([code]) for code in f"{DOLLARS} chf sek nok dkk pln brl rub".split()},
    **{sign: frozenset([sign]) for sign in "₽₩₺₴₪₦₱฿₫"},
}


def one_of(words) -> str:
    """A pattern for any of the words, the longer ones first."""
    return "|".join(regex.escape(word) for word in sorted(words, key=len, reverse=True))


def english_values(words: list[str]) -> list[int]:
    """The numbers that a run of English words names: "two hundred thirty one" one, "two three" two."""
    parts: list[int] = []
    for word in words:
        value = TIMES.get(word) or ENGLISH.get(word, ORDINALS.get(word))
        unit = value < 10 and word not in TIMES
        if unit and parts and parts[-1] in range(20, 100, 10):
            parts[-1] += value
        else:
            parts.append(value)
    values, total, current, smallest = [], 0, None, math.inf
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if part < 100:
            if current is not None and (current % 100 or not current or following == 100):
                values.append(total + current)  # another number: "two hundred three hundred"
                total, smallest, current = 0, math.inf, None
            current = (current or 0) + part
        elif part == 100 and (current or 1) < 100:
            current = (current or 1) * 100
        elif part == 100:
            values.append(total + current)
            total, smallest, current = 0, math.inf, 100
        else:
            if part >= smallest:  # another one, too: "one thousand two thousand"
                values.append(total)
                total = 0
            total, smallest, current = total + (current or 1) * part, part, None
    return [*values, total + (current or 0)]


def chinese_value(numeral: str) -> Decimal:
    """一百二十三 as 123; digits without 十, 百, 千 one after the other: 二〇二四 as 2024."""
    if not any(char in CHINESE_TIMES for char in numeral):
        return Decimal("".join(str(CHINESE[char]) for char in numeral))
    total = section = digit = 0
    for char in numeral:
        if char in CHINESE:
            digit = CHINESE[char]
        elif CHINESE_TIMES[char] < 10_000:
            section, digit = section + (digit or 1) * CHINESE_TIMES[char], 0
        else:
            total, section, digit = total + (section + digit or 1) * CHINESE_TIMES[char], 0, 0
    return Decimal(total + section + digit)
