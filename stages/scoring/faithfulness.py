"""Does the conversation hold what a summary says? Measures that need no model.

`number_precision` is the share of the summary's numbers, amounts, times and dates that the
conversation has, `name_precision` that of its names: the source precision of entities in Nan et al.
(2021), "Entity-level Factual Consistency of Abstractive Text Summarization". The other measures are
in `roles` and `extractive`. `python -m benchmarks.faithfulness` shows what each of them sees.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from stages.common.words import RougeTokenizer, Words
from stages.scoring.extractive import bigram_precision, coverage_and_density
from stages.scoring.names import Capitals, Name, names
from stages.scoring.names_held import NamesHeld
from stages.scoring.new_words import NewWords, Vocabulary
from stages.scoring.quantities import Held, Quantity, quantities
from stages.scoring.roles import Speakers, Weights, role_precision

# Shares are from 0 to 100, density is in words.
MEASURES = {
    "number_precision": 100,
    "name_precision": 100,
    "role_precision": 100,
    "bigram_precision": 100,
    "coverage": 100,
    "density": 1,
}
WITH_A_MODEL = {  # if asked for by score.classifier and score.pmi: see the modules of these names
    "entailment": 100,
    "pmi": 1,  # in nats a token: `likelihood`
}


@dataclass(frozen=True)
class Span:
    """summary[start:end], which the conversation does not hold.

    `kind` is number, name, word, or role: the speaker of a sentence that others speak of.
    """

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Checked:
    """The measures of one summary, None where one is not defined, and its unsupported spans."""

    measures: dict[str, float | None]
    spans: list[Span]


class Checker:
    """Compares summaries with the conversations of one split.

    Its references tell what capitals mean, its conversations which words are frequent.
    """

    def __init__(
        self,
        dialogues: list[list[dict]],
        references: list[list[str]],
        words: Words,
        classifier: str | None = None,
        base: Path | None = None,
    ):
        """`classifier` and `base`, the folder of a language model, add the measures of a model."""
        self.split = RougeTokenizer(words).tokenize
        self.capitals = Capitals.of(text for texts in references for text in texts)
        self.new_words = NewWords(map(text_of, dialogues), references)
        self.weights = Weights(self.split(text_of(turns)) for turns in dialogues)
        self.models: dict[str, Callable[[list[dict], list[str]], list[float | None]]] = {}
        if classifier:
            from stages.scoring.entailment import Entailment

            self.models["entailment"] = Entailment(classifier)
        if base:
            from stages.scoring.likelihood import Likelihood

            self.models["pmi"] = Likelihood(base)

    def check(self, turns: list[dict], summaries: list[str]) -> list[Checked]:
        """Summaries of one dialogue. Its conversation is read here and not kept: it may be long."""
        conversation = Conversation(turns, self.split)
        found = [self.look(summary, conversation) for summary in summaries]
        for name, model in self.models.items():
            for one, value in zip(found, model(turns, summaries), strict=True):
                one.measures[name] = None if value is None else WITH_A_MODEL[name] * value
        return found

    def check_all(
        self, dialogues: list[list[dict]], systems: dict[str, list[str]]
    ) -> dict[str, list[Checked]]:
        """By system, a summary a dialogue."""
        todo = list(zip(dialogues, *systems.values(), strict=True))
        todo = tqdm(todo, desc="score", unit="dialogue", disable=None)
        rows = [self.check(turns, list(summaries)) for turns, *summaries in todo]
        return dict(zip(systems, map(list, zip(*rows, strict=True)), strict=True))

    def mean_of_references(
        self, dialogues: list[list[dict]], references: list[list[str]]
    ) -> dict[str, float | None]:
        """The mean over dialogues of the means over their references."""
        return means(
            means(one.measures for one in self.check(turns, texts))
            for turns, texts in zip(dialogues, references, strict=True)
        )

    def look(self, summary: str, held: "Conversation") -> Checked:
        text = held.speakers.hide(summary)  # the 1 of Person1 is no number, nor Ana a name to find
        read = list(quantities(text))
        numbers = [one for one in read if one.claim]
        found = [
            name
            for name in names(text, self.capitals)
            if not any(overlap(name, number) for number in numbers)  # the USD of 5 USD
        ]
        taken = held.speakers.mentions(summary, self.weights)
        words = self.split(summary) if summary.strip() else []
        coverage, density = coverage_and_density(words, held.words)
        values = [
            share(one in held.quantities for one in numbers),
            share(one in held.names for one in found),
            role_precision(taken),
            bigram_precision(words, held.words),
            coverage,
            density,
        ]
        spans = [
            *(Span(n.start, n.end, "number") for n in numbers if n not in held.quantities),
            *(Span(n.start, n.end, "name") for n in found if n not in held.names),
            *(Span(m.start, m.end, "role") for m in taken if m.doubtful),
        ]
        for start, end in self.new_words.find(text, held.vocabulary):
            word = Span(start, end, "word")
            if not any(overlap(word, other) for other in [*read, *found]):
                spans.append(word)
        scaled = zip(MEASURES.items(), values, strict=True)
        return Checked(
            {name: None if value is None else scale * value for (name, scale), value in scaled},
            sorted(spans, key=lambda span: span.start),
        )


def overlap(one: Span | Name | Quantity, other: Span | Name | Quantity) -> bool:
    return one.start < other.end and other.start < one.end


class Conversation:
    """What is looked up in one conversation, made once for all of its summaries."""

    def __init__(self, turns: list[dict], split):
        text = text_of(turns)
        self.words = split(text)
        self.quantities = Held(text)
        self.speakers = Speakers(turns, split)
        # People who speak are known, too, where a summary has a form that `speakers` misses.
        known = "\n".join([text, *self.speakers.people])
        self.names = NamesHeld(known)
        self.vocabulary = Vocabulary(known)


def text_of(turns: list[dict]) -> str:
    return "\n".join(turn["text"] for turn in turns)


def means(measured: Iterable[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each measure over the summaries for which it is defined; None if there are none."""
    measured = list(measured)
    names = dict.fromkeys([*MEASURES, *(name for one in measured for name in one)])
    defined = {name: [one[name] for one in measured if one[name] is not None] for name in names}
    return {name: sum(found) / len(found) if found else None for name, found in defined.items()}


def share(truths: Iterable[bool]) -> float | None:
    """The share that is true; None if there are none."""
    truths = list(truths)
    return sum(truths) / len(truths) if truths else None
