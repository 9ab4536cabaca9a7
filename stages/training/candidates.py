"""Candidates: summaries that the model samples for training dialogues, and the reward of each."""

import functools

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from stages.common.words import ENGLISH, Words
from stages.model.decoding import generate_shared

TEMPERATURE = 0.8  # below 1 the candidates are likelier, like those that generation chooses from


def sample_candidates(
    model, prompts: list[list[int]], count: int, max_new_tokens: int, eos_token_id: int
) -> list[list[list[int]]]:
    """`count` sampled summaries of each prompt, as token ids that end with EOS unless cut off."""
    output = generate_shared(
        model,
        prompts,
        eos_token_id,
        max_new_tokens,
        count,
        eos_token_id=eos_token_id,
        logits_processor=LogitsProcessorList([SampleOneToken()]),
        do_sample=False,  # the model's own generation config may say otherwise
        repetition_penalty=1.0,
    )
    sampled = [truncate(ids, eos_token_id) for ids in output.tolist()]
    return [sampled[i : i + count] for i in range(0, len(sampled), count)]


class SampleOneToken(LogitsProcessor):
    """Samples a token and masks all others, so that greedy search has to choose it.

    The sampling of `generate` needs a random number for every token of the vocabulary, which took a
    third of a step on a CPU.
    """

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = sample_index((scores / TEMPERATURE).softmax(-1))
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0)


def sample_index(probabilities: torch.Tensor) -> torch.Tensor:
    """An index for each row of probabilities (rows, vocabulary), by inverse transform sampling."""
    cumulative = probabilities.cumsum(-1)
    # Rounding leaves the sum a little off 1.
    threshold = torch.rand_like(cumulative[..., :1]) * cumulative[..., -1:]
    index = torch.searchsorted(cumulative, threshold).squeeze(-1)
    return index.clamp(max=cumulative.shape[-1] - 1)


def truncate(ids: list[int], eos_token_id: int) -> list[int]:
    """The ids up to and including the first EOS."""
    return ids[: ids.index(eos_token_id) + 1] if eos_token_id in ids else ids


def reward(text: str, references: list[str], words: Words = ENGLISH) -> float:
    """How close a summary is to all its references, from 0 to 1, by the tokens that score counts.

    One half is the mean F1 of ROUGE-1, 2 and L over the references, the other half sentence BLEU.
    """
    bleu, rouge = scorers(words)
    pairs = [rouge.score(reference, text) for reference in references]
    f1 = [score.fmeasure for pair in pairs for score in pair.values()]
    return sum(f1) / len(f1) / 2 + bleu.sentence_score(text, references).score / 200


@functools.cache
def scorers(words: Words):
    return words.bleu(effective_order=True), words.rouge()
