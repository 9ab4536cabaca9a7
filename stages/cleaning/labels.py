"""Words that say of the number right after them that it is a product's, a place's or an error's."""

import re

NUMBER = r"(?:-[A-Z0-9]{1,2})?(?: ?(?:numbers?|nummer|nos?|nr|codes?|id)\b\.?)?(?: is\b)?"
BETWEEN = "[ :.#=-]{1,3}"
# After a word, the shape that such a number has: anything else may be somebody's.
SHAPES = {
    "isbn": r"(?:1[03] )?(?:(?:97[89][ -]?)?(?:\d[ -]?){9}\d|(?:\d[ -]?){8}\d)",
    "ean|upc|gtin|bar ?code": r"(?:8 |1[34] )?(?:\d{8}|\d{12,14}|\d \d{6} \d{6})",
    "sku|model|(?:part|item)(?= ?n)|artikel(?=nr|num)": r"(?!(?:\D?\d){10})[1-9]\d{1,4}(?:[-.]\d{2,5}){1,3}",
    "cep|zip|plz|post ?code|postal code": r"\d{5}-\d{3,4}",
    "errors?|https?|status": r"[1-5]\d\d(?:[ /-][1-5]\d\d)+",
}
LABELLED = [
    (
        re.compile(rf"(?<![a-z])(?:{word}){NUMBER}{BETWEEN}\Z", re.IGNORECASE),
        re.compile(shape, re.ASCII),
    )
    for word, shape in SHAPES.items()
]
LABEL = re.compile(rf"(?<![a-z])(?:{'|'.join(SHAPES)}){NUMBER}{BETWEEN}\Z", re.IGNORECASE)
# … or before it.
LABEL_AFTER = re.compile(r" ?\(?(?:bar ?code|ean|upc)\b", re.IGNORECASE)
BARE = re.compile(r"\d{8}|\d{12,14}", re.ASCII)


def is_labelled(text: str, start: int, end: int) -> bool:
    """Whether a word before `start` or after `end` says what all the digits between them are."""
    if LABEL_AFTER.match(text, end):
        return bool(BARE.fullmatch(text, start + (text[start] == "("), end))
    if not LABEL.search(text, max(0, start - 24), start):
        return False
    return any(
        word.search(text, max(0, start - 24), start) and shape.fullmatch(text, start, end)
        for word, shape in LABELLED
    )
