"""Conversations written with tags: a table of HTML, an element of XML a turn, names in bold."""

import re

from stages.cleaning.speaker_names import ROLES

# <turn speaker="Mira">hello</turn>, and <message><from>Mira</from><body>hello</body></message>
WHO = "speaker|role|from|author|sender|name|who"
ELEMENT = re.compile(
    rf"<(\w+)\b[^<>]*?\s(?:{WHO})\s*=\s*[\"']([^\"'<>]{{1,40}})[\"'][^<>]*>(.*?)</\1>",
    re.IGNORECASE | re.DOTALL,
)
PAIR = re.compile(
    rf"<({WHO})>([^<>]{{1,40}})</\1>\s*<(text|body|message|content|utterance)>(.*?)</\3>",
    re.IGNORECASE | re.DOTALL,
)
# <user> hello <system> hi, and <customer>hello</customer><agent>hi</agent>
SIDE = re.compile(rf"<(/?)({ROLES})>\s*", re.IGNORECASE)
HEADS = re.compile(r"<tr[^<>]*>\s*(?:<th\b[^<>]*>[^<>]*</th>\s*)+</tr>", re.IGNORECASE)
CELLS = re.compile(r"</td>\s*<td\b[^<>]*>", re.IGNORECASE)
# Tags that would stand between a line's start and a name.
INLINE = re.compile(
    r"</?(?:table|thead|tbody|td|b|strong|i|em|u|span|font)(?:\s+[\w:-]+\s*=[^<>]*)?\s*>",
    re.IGNORECASE,
)
SIEVE = rf"(?i)</(?:td|b|strong|i|em|u|span|font)>|<\w+\b[^<>]*?\s(?:{WHO})\s*=\s*[\"']|<(?:{WHO})>|^\s*<(?:{ROLES})>"


def untagged(text: str) -> str:
    """The text with a turn a line where elements hold the turns, and else without tags of tables and
    of fonts."""
    for pattern, name, said in ((ELEMENT, 2, 3), (PAIR, 2, 4)):
        found = list(pattern.finditer(text))
        # Nothing else is there but tags, so these are no links or fields of a page.
        rest = re.sub(r"<[^<>]*>", "", pattern.sub("", text))
        if len({match[name] for match in found}) > 1 and not rest.strip():
            return "\n".join(f"{match[name]}: {' '.join(match[said].split())}" for match in found)
    # One side alone stands for a name: "<user> help me, <user>".
    sides = {name.lower() for end, name in SIDE.findall(text) if not end}
    if len(sides) > 1 and SIDE.match(text.lstrip()):
        return SIDE.sub(lambda mark: "\n" if mark[1] else f"\n{mark[2]}: ", text).strip()
    return INLINE.sub("", CELLS.sub("\t", HEADS.sub("", text)))
