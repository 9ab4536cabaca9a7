"""Text out of HTML: tags go, blocks and <br> end lines, links keep their words, entities are read.

What only looks like a tag (`<LINK>`, `<3`, `a < b`, `<name>`) is text and stays.
"""

import html
import re

BLOCKS = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "title",
    "tr",
    "ul",
]
CELLS = ["td", "th"]
REMOVED = ["head", "noscript", "script", "style", "template", "title"]
INLINE = [
    "a",
    "abbr",
    "b",
    "big",
    "button",
    "cite",
    "code",
    "col",
    "colgroup",
    "del",
    "em",
    "font",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "mark",
    "o:p",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "tt",
    "u",
    "var",
]
NAMES = "|".join(sorted({*BLOCKS, *CELLS, *REMOVED, *INLINE}, key=len, reverse=True))
# Signs of HTML, in regular expressions that mean the same to RE2: an element's end, one that needs
# none, an attribute, a comment. A bare `<title>` may as well be somebody's placeholder.
TAG = (
    rf"</(?:{NAMES})\s*>|<(?:br|hr|p|div|li|tr|td)\s*/?>|<(?:{NAMES})\s+[\w:-]+\s*=[^<>]*>"
    r"|<!--|<!doctype html"
)
CODED = rf"(?i)&#?\w+;|{TAG}"  # what makes a text worth a call of `plain_text`
HAS_TAG = re.compile(TAG, re.IGNORECASE)
NO_TAG = re.compile(rf"<(?!/?(?:{NAMES})[\s/>]|!doctype html)", re.IGNORECASE)
# Comments, instructions of Word and Outlook, and what belongs in a page's head.
NO_TEXT = re.compile(
    r"<!--.{0,5000}?-->|<\?xml[^<>]*>|<!\[[^<>]*>|<(?:base|link|meta)\s[^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
PLACEHOLDERS = ("address", "code", "label", "title")  # elements where they are closed, else words
ESCAPED = re.compile(
    r"\s*&lt;(?:!doctype|body|div|html|p|span|table)\b.*&gt;\s*", re.IGNORECASE | re.DOTALL
)
BREAKS_LINES = re.compile(rf"</?(?:{'|'.join(BLOCKS + CELLS)})[\s/>]", re.IGNORECASE)
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain_text(text: str) -> str:
    """The words of `text`, which may be HTML, hold entities, or neither."""
    if "<" not in text and "&lt;" not in text:
        return html.unescape(text)
    if ESCAPED.fullmatch(text):  # HTML that an export escaped as one text
        text = html.unescape(text)
    return from_html(text) if HAS_TAG.search(text) else html.unescape(text)


def from_html(text: str) -> str:
    """A line for each line that a browser would show; the white space in it is the caller's."""
    from lxml import etree

    text = NO_TEXT.sub(" ", NO_XML.sub(" ", text))
    for name in PLACEHOLDERS:
        if f"</{name}" not in text.lower():
            text = re.sub(f"<(?={name}>)", "&lt;", text, flags=re.IGNORECASE)
    text = NO_TAG.sub("&lt;", text)
    if BREAKS_LINES.search(text) and "<pre" not in text.lower():
        text = " ".join(text.split())  # lines of the source are none of the page
    root = etree.fromstring(f"<div>{text}</div>", etree.HTMLParser(huge_tree=True))
    etree.strip_elements(root, *REMOVED, etree.Comment, with_tail=False)
    for element in root.iter(*BLOCKS, *CELLS):
        between = " " if element.tag in CELLS else "\n"
        element.text = between + (element.text or "")
        element.tail = between + (element.tail or "")
    return etree.tostring(root, method="text", encoding="unicode")
