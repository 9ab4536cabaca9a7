"""Numbers as words, names of months and of currencies: what `quantities` knows by heart."""

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
# Not counted as a claim of a summary, for most are words of another meaning or language as well.
OTHERS = {"once": 1, "twice": 2, "dozen": 12} | {
    word: n
    for words in (
        "first second third fourth fifth sixth seventh eighth ninth tenth",
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
    **dict.fromkeys(["₹", "rs", "rs.", "rupees", "inr"], frozenset(["inr"])),
    **{code: frozenset([code]) for code in f"{DOLLARS} chf sek nok dkk pln brl rub".split()},
    **{sign: frozenset([sign]) for sign in "₽₩₺₴₪₦₱฿₫"},
}


def one_of(words) -> str:
    """A pattern for any of the words, the longer ones first."""
    return "|".join(regex.escape(word) for word in sorted(words, key=len, reverse=True))


def english_values(words: list[str]) -> list[int]:
    """The numbers that a run of English words names: "two hundred thirty one" one, "two three" two."""
    values, total, current = [], 0, None
    for word in words:
        if word in TIMES and TIMES[word] > 100:
            total, current = total + (current or 1) * TIMES[word], None
        elif word in TIMES:
            current = (current or 1) * TIMES[word]
        elif current is None:
            current = ENGLISH[word]
        elif (current and current % 100 == 0) or (
            current % 100 in range(20, 100, 10) and ENGLISH[word] < 10
        ):
            current += ENGLISH[word]
        else:
            values.append(total + current)
            total, current = 0, ENGLISH[word]
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
