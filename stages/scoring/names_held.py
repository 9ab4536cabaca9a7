"""Whether a conversation holds a name: as a word, a form of one, or a part of a handle or compound.

Chance is no evidence: Ally is not in "really", nor Saturday in "I sat".
"""

import regex

from stages.common.words import WORD
from stages.scoring.names import PLACEHOLDER, Name

SHORTEST = 4  # letters of a name that may have another form
ENDING = 2  # letters at the end by which two forms of a name differ
LONG = 6  # letters of a name that begins a longer word hardly by chance: cases, compounds
# What handles add to a name: @AmazonHelp, @AskAmex, @virgintrains, xbox360.
BEFORE = regex.compile(r"(?:ask|my|the|get|hey|team|official|\p{N})*")
BEHIND = regex.compile(
    r"(?:help(?:s|ers|desk|line)?|supports?|cares?|services?|customers?|client|answers|assist|talk|chat"
    r"|team|desk|official|online|stores?|shop|apps?|music|video|games|tv|news|web|mail|world|group|global"
    r"|international|mobile|telecom|broadband|wireless|bank|card|pay|air|airways|airlines?|trains?|rail"
    r"|railways?|bus|buses|metro|hotels|uk|usa?|eu|india|canada|australia|ireland|deutschland|france"
    r"|españa|italia|brasil|mexico|\p{N})*"
)
SHORT = {
    **{full[:3]: full for full in ("monday", "tuesday", "wednesday", "thursday", "friday")},
    **{full[:3]: full for full in ("february", "april", "june", "july", "august", "september")},
    "oct": "october",
    "nov": "november",
    "dec": "december",
    "sept": "september",
    "weds": "wednesday",
    "tues": "tuesday",
    "thur": "thursday",
    "thurs": "thursday",
}
# Short for these is another word, too, or a first name. So it needs a date or a day beside it.
UNSURE = {"sat": "saturday", "sun": "sunday", "jan": "january", "mar": "march"}
DAY = r"\b(?:mon|tue|tues|wed|wednes|thu|thurs|fri|sat|satur|sun)(?:day)?s?\b"
AND = r"\W{0,3}(?:(?:and|or|to|till)\s)?"
SINCE = "on|this|next|last|by|due|until|till|til|since|every"
IN_DATE = regex.compile(
    rf"""
      (?<=\b(?:{SINCE})\s | {DAY}{AND}) \b(?P<short>sat|sun)\b
    | \b(?P<short>sat|sun)\b
      (?={AND}{DAY} | \W{{0,3}}(?:morning|afternoon|evening|night|\d+(?:st|nd|rd|th|[ap]m|[:/]\d)))
    | (?<=\b(?:{SINCE}|in|early|mid|late)[\s-] | \d(?:st|nd|rd|th)?[\s./-](?:of\s)?)
      \b(?P<short>jan|mar)\b
    | \b(?P<short>jan|mar)\b (?=[\s./-]{{1,2}}\d)
    """,
    regex.VERBOSE,
)


class NamesHeld:
    """The words of a conversation, in which names are looked for."""

    def __init__(self, text: str):
        folded = text.casefold()
        words = WORD.findall(folded)
        self.known = set(words) | set(PLACEHOLDER.findall(folded))
        self.initials = "".join(word[0] for word in words)
        self.known |= {SHORT[word] for word in SHORT.keys() & self.known}
        for match in IN_DATE.finditer(folded):
            self.known.add(UNSURE[match["short"]])

    def __contains__(self, name: Name) -> bool:
        word = name.text.casefold()
        parts = WORD.findall(word)
        if name.runs & self.known:  # British Airways: @BritishAirways
            return True
        if len(parts) > 1:
            known = {*parts, "".join(parts)} & self.known
            return "".join(parts) in known or known >= set(parts)
        if word in self.known or word.removesuffix("s") in self.known:
            return True
        if name.text.isupper() and len(word) > 2 and word in self.initials:  # estimated time …
            return True
        return len(word) >= SHORTEST and (self.has_form(word) or self.has_compound(word))

    def has_form(self, word: str) -> bool:
        """Whether a word of the conversation differs by its ending only."""
        return any(
            min(len(word), len(other)) >= SHORTEST
            and abs(len(word) - len(other)) <= ENDING
            and (word.startswith(other) or other.startswith(word))
            for other in self.known
        )

    def has_compound(self, word: str) -> bool:
        """Whether a longer word of the conversation is made of this one and others."""
        for other in self.known:
            before, found, behind = other.partition(word)
            if not found:
                continue
            if BEFORE.fullmatch(before) and BEHIND.fullmatch(behind):
                return True
            if not before and (
                len(word) >= LONG or (len(behind) >= SHORTEST and behind in self.known)
            ):
                return True
        return False
