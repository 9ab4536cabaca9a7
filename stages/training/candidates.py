"""Candidates: summaries that the model draws for training dialogues, and how good each one is."""

import functools

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from stages.common.words import ENGLISH, Words
from stages.model.decoding import generate_shared

TEMPERATURE = 0.8  # below 1 draws are likelier ones, nearer to what beams will choose from


def draw(
    model, prompts: list[list[int]], copies: int, room: int, eos: int
) -> list[list[list[int]]]:
    """`copies` random summaries of each prompt: token ids up to the end, `room` at most."""
    output = generate_shared(
        model,
        prompts,
        eos,
        room,
        copies,
        eos_token_id=eos,
        logits_processor=LogitsProcessorList([Drawing()]),
        do_sample=False,  # whatever the model's own generation config says
        repetition_penalty=1.0,
    )
    drawn = [cut(ids, eos) for ids in output.tolist()]
    return [drawn[i : i + copies] for i in range(0, len(drawn), copies)]


class Drawing(LogitsProcessor):
    """Leaves greedy search one token, drawn at random.

    `generate`'s own sampling takes a random number for every token of the vocabulary, which cost a
    third of a step on a CPU.
    """

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = pick((scores / TEMPERATURE).softmax(-1))
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0)


def pick(chances: torch.Tensor) -> torch.Tensor:
    """An index drawn from the last dimension's probabilities."""
    edges = chances.cumsum(-1)
    place = torch.rand_like(edges[..., :1]) * edges[..., -1:]
    return torch.searchsorted(edges, place).squeeze(-1).clamp(max=edges.shape[-1] - 1)


def cut(ids: list[int], eos: int) -> list[int]:
    """The ids up to the first end, and with it."""
    return ids[: ids.index(eos) + 1] if eos in ids else ids


def grade(text: str, references: list[str], words: Words = ENGLISH) -> float:
    """How near a summary comes to all its references, from 0 to 1, by the words that score counts.

    Half is ROUGE-1, 2 and L (F1) on average over the references, half BLEU against all.
    """
    bleu, rouge = scorers(words)
    pairs = [rouge.score(reference, text) for reference in references]
    figures = [score.fmeasure for pair in pairs for score in pair.values()]
    found = bleu.sentence_score(text, references).score
    return sum(figures) / len(figures) / 2 + found / 200


@functools.cache
def scorers(words: Words):
    return words.bleu(effective_order=True), words.rouge()
