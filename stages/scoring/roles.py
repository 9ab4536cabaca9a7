"""Who did what: does a summary say of a speaker what this speaker said?

A word that one speaker alone uses is evidence of who a sentence of the summary is about. Words that
are in many conversations are weak evidence.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import regex

from stages.common.languages import UNSPACED
from stages.scoring.lead import sentences

Split = Callable[[str], list[str]]  # a text into words
# When a mention is listed as unsupported: the evidence for another speaker, at least.
FEWEST_WORDS = 2
MUCH_MORE = 3
SPACELESS = regex.compile(f"[{UNSPACED}]", regex.VERSION1)
BESIDE = rf"[^\W_\p{{M}}{UNSPACED}]"  # a letter or digit that makes another word of a name
CAPITAL = regex.compile(r"[\p{Lu}\p{Lt}]")
CASED_WORD = regex.compile(r"[\p{Lu}\p{Lt}\p{Ll}][\p{L}\p{M}'’.-]*")
# Letters whose large and small forms are no pairs: Turkish has two of the first, German none of ß.
ANY_I, SHARP = regex.compile("[iIıİ]\u0307?"), regex.compile("(?:ß|ẞ|[sS][sS])")
SHORTEST_ROLE, SHORTEST_NAME = 4, 5  # letters of a label that may have an ending
# What somebody is, not who. Scripts without capitals need no list.
ROLE = regex.compile(
    r"(?i)(?<!\p{L})(?:customer|client|user|buyer|seller|shopper|consumer|caller|visitor|guest|patient"
    r"|passenger|agent|assistant|advis[eo]r|operator|support|service|system|bot|chatbot|human|admin"
    r"|staff|team|representative|rep|employee|technician|desk|member|speaker|person|participant"
    r"|interviewe[er]|doctor|nurse|teacher|student|manager|clerk|driver|host|officer|vendor|expert"
    r"|moderator|man|woman|boy|girl|mother|father|mum|mom|dad|wife|husband|friend|brother|sister"
    r"|kunde?|kundin|kundeservice|kundtjänst|berater(?:in)?|mitarbeiter(?:in)?|(?:be)?nutzer(?:in)?"
    r"|medarbejder|medarbetare|cliente?|clienta|agentin|agente|usuari[oa]|usuári[oa]|utente"
    r"|utilisat(?:eur|rice)|conseill(?:er|ère)|vendeu(?:r|se)|vendedora?|asesora?|asistente"
    r"|assistente|operadora?|operatore|opérat(?:eur|rice)|atendente|consulente|paciente|klant"
    r"|medewerker|klient(?:ka)?|konsultant(?:ka)?|doradca|sprzedawca|zákazník|asiakas|ügyfél"
    r"|müşteri|temsilci|danışman|клиент|покупатель|пользователь|агент|оператор|консультант|менеджер"
    r"|клієнт|покупець|πελάτης|khách|pelanggan)(?!\p{L})"
)


@dataclass(frozen=True)
class Mention:
    """Where a sentence of the summary names the speaker it is about, and the evidence for it.

    `own`: weight of the sentence's words that only this speaker says; `other`: of the `others`
    words that only another one says.
    """

    start: int
    end: int
    own: float
    other: float
    others: int

    @property
    def doubtful(self) -> bool:
        return self.others >= FEWEST_WORDS and self.other > MUCH_MORE * self.own


class Weights:
    """Weight of a word by the share of conversations that have it: inverse document frequency."""

    def __init__(self, conversations: Iterable[list[str]]):
        self.frequency: Counter = Counter()
        self.size = 0
        for words in conversations:
            self.frequency.update(set(words))
            self.size += 1

    def __getitem__(self, word: str) -> float:
        return math.log((self.size + 1) / (self.frequency[word] + 0.5))


def key_of(label: str) -> str:
    """The same for each way to write a speaker's name in large and small letters."""
    return ANY_I.sub("i", label).casefold()


def mention_of(label: str, capitals: bool) -> str:
    """A pattern for a speaker's name, also with an ending of one or two letters, as a plural has.

    What may be a person's name is looked for with its capital, if the text has `capitals`, and
    without an ending if it is short: Will is not in "will", nor Tim in "time".
    """
    name = ANY_I.sub(ANY_I.pattern, SHARP.sub(SHARP.pattern, regex.escape(label)))
    name = f"(?i:{name})"
    if SPACELESS.search(label):
        return name
    cased = CASED_WORD.fullmatch(label)
    person = cased and not ROLE.search(label)
    short = cased and len(label) < (SHORTEST_NAME if person else SHORTEST_ROLE)
    first = f"(?={CAPITAL.pattern})" if person and CAPITAL.match(label) else ""
    ending = ("" if person else "s?") if short else r"\p{L}{0,2}"
    return rf"(?<!{BESIDE}){first if capitals or short else ''}{name}{ending}(?!{BESIDE})"


class Speakers:
    """What each speaker of a conversation says, and where a summary names them."""

    def __init__(self, turns: list[dict], split: Split):
        self.said: dict[str, set[str]] = {}
        keys: dict[str, str] = {}  # by label, as it is written
        for turn in turns:
            if label := (turn["speaker"] or "").strip():
                keys[label] = key_of(label)
                self.said.setdefault(keys[label], set()).update(split(turn["text"]))
        self.uses = Counter(word for words in self.said.values() for word in words)
        # The longer first: Anna is not Ann with an ending.
        self.labels = sorted(keys, key=len, reverse=True)
        self.keys = [keys[label] for label in self.labels]  # by the group of the pattern
        self.patterns = {
            capitals: regex.compile(
                "|".join(f"({mention_of(label, capitals)})" for label in self.labels) or "(?!)"
            )
            for capitals in (False, True)
        }
        self.people = [label for label in self.labels if not ROLE.search(label)]
        self.split = split

    def pattern(self, summary: str) -> regex.Pattern:
        """Finds the speakers' names in this summary, and nothing where no speaker has a name."""
        return self.patterns[bool(CAPITAL.search(summary))]

    def hide(self, summary: str, filler: str = "\ufffc") -> str:
        """The summary without the speakers' names, each character else where it was."""
        return self.pattern(summary).sub(lambda match: filler * len(match[0]), summary)

    def mentions(self, summary: str, weights: Weights) -> list[Mention]:
        """A mention for each sentence that names a speaker: of the first that it names.

        Empty where there is one speaker, or none is named: nothing can be told then.
        """
        if len(self.said) < 2:
            return []
        found, pattern = [], self.pattern(summary)
        for start, end in sentences(summary):
            match = pattern.search(summary, start, end)
            if not match:
                continue
            said = self.said[self.keys[match.lastindex - 1]]
            words = {word for word in self.split(summary[start:end]) if self.uses[word] == 1}
            own = sum(weights[word] for word in words & said)
            other = sum(weights[word] for word in words - said)
            found.append(Mention(*match.span(), own, other, len(words - said)))
        return found


def role_precision(found: list[Mention]) -> float | None:
    """Share, 0 to 1, of the evidence that is for the speaker named; None without evidence."""
    total = sum(one.own + one.other for one in found)
    return sum(one.own for one in found) / total if total else None
