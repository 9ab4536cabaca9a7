"""Conversations written with tags: a table of HTML, an element of XML a turn, names in bold."""

import re

from stages.cleaning.roles import role_of
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
SIDE = re.compile(rf"<(/?)({ROLES})>\s*(?:[:：]\s*)?", re.IGNORECASE)
LINE = re.compile(r"^[ \t]*<([^<>/\n]+)>[ \t]*(?!</)\S", re.MULTILINE)
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
    if {role_of(side) for side in sides} > {"customer", "agent"}:
        sides = set(filter(role_of, sides))  # <person> stands for a name
    if len(sides) > 1 and SIDE.match(text.lstrip()) and not opens_lines(text):
        return SIDE.sub(lambda mark: side_line(mark, sides), text).strip()
    return INLINE.sub("", CELLS.sub("\t", HEADS.sub("", text)))


def opens_lines(text: str) -> bool:
    """Whether tags of two names or more open lines, and half of all lines have one: these are read
    as `<Mira> hello` is, so that a tag within a line opens no turn."""
    names = LINE.findall(text)
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    return len(set(names)) > 1 and 2 * len(names) >= lines


def side_line(mark: re.Match, sides: set[str]) -> str:
    if mark[2].lower() not in sides:
        return mark[0]
    return "\n" if mark[1] else f"\n{mark[2]}: "
