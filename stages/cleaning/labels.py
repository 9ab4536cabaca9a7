"""Words that say of the number right after them that it is a product's, a place's or an error's."""

import re

NUMBER = r"(?: ?(?:numbers?|nos?|nr|codes?|id)\b\.?)?"
# After a word, the shape that such a number has: anything else may be somebody's.
SHAPES = {
    "isbn(?:-1[03])?": r"(?:97[89][ -]?)?(?:\d[ -]?){9}\d|(?:\d[ -]?){8}\d",
    "ean|upc|gtin|bar ?code": r"\d{8}|\d{12,14}|\d \d{6} \d{6}",
    "sku|model|(?:part|item)(?= ?n)|artikel(?=nr|num)": r"[1-9]\d{1,4}(?:[-.]\d{2,5}){1,3}",
    "cep|zip|plz|post ?code|postal code": r"\d{5}-\d{3,4}",
    "errors?|https?|status": r"[1-5]\d\d(?:[ /-][1-5]\d\d)+",
}
LABELLED = [
    (
        re.compile(rf"(?<![a-z])(?:{word}){NUMBER}[ :.#=]{{1,3}}\Z", re.IGNORECASE),
        re.compile(shape, re.ASCII),
    )
    for word, shape in SHAPES.items()
]
LABEL = re.compile(rf"(?<![a-z])(?:{'|'.join(SHAPES)}){NUMBER}[ :.#=]{{1,3}}\Z", re.IGNORECASE)


def is_labelled(text: str, start: int, end: int) -> bool:
    """Whether a word before `start` says what all the digits up to `end` are."""
    if not LABEL.search(text, max(0, start - 24), start):
        return False
    return any(
        word.search(text, max(0, start - 24), start) and shape.fullmatch(text, start, end)
        for word, shape in LABELLED
    )
