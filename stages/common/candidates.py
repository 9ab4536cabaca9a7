"""Candidates: summaries that the model draws for training dialogues, and how good each one is."""

import functools

import torch
from transformers import StaticCache

from stages.common.generation import read

TEMPERATURE = 0.8  # below 1 draws are likelier ones, nearer to what beams will choose from


@torch.no_grad()
def draw(
    model, prompts: list[list[int]], copies: int, room: int, eos: int
) -> list[list[list[int]]]:
    """`copies` random summaries of each prompt: token ids up to the end, `room` at most.

    Those of a prompt grow in one row, as its references are trained: each step adds a token to
    every one of them, which sees the prompt and its own summary. So the prompt's keys and values
    are read once for all of them.
    """
    width, rows, device = max(2, *map(len, prompts)), len(prompts), model.device
    pad = [width - len(ids) for ids in prompts]
    ids = torch.tensor([[eos] * n + p for n, p in zip(pad, prompts, strict=True)], device=device)
    mask = torch.tensor([[0] * n + [1] * (width - n) for n in pad], device=device)
    cache = read(model, ids[:, :-1], mask[:, :-1], room * copies)
    prompt = mask[:, None, :-1].bool().expand(-1, copies, -1)
    own = torch.eye(copies, dtype=torch.bool, device=device).repeat(1, room)
    visible = torch.cat([prompt, own.expand(rows, -1, -1)], dim=2)  # rows, copies, tokens
    static = isinstance(cache, StaticCache)
    tokens, drawn = ids[:, -1:].expand(-1, copies), []
    ended = torch.zeros(rows, copies, dtype=torch.bool, device=device)
    for step in range(room):
        end = width - 1 + (step + 1) * copies
        seen = visible[:, :, :end]
        if static:  # it hands out its whole length
            seen = torch.nn.functional.pad(seen, (0, visible.shape[2] - end))
        output = model(
            input_ids=tokens,
            attention_mask=seen[:, None],
            position_ids=(mask.sum(1, keepdim=True) - 1 + step).expand(-1, copies),
            past_key_values=cache,
            use_cache=True,
        )
        tokens = pick((output.logits.float() / TEMPERATURE).softmax(-1))
        drawn.append(tokens)
        ended |= tokens == eos
        if ended.all():
            break
    return [[cut(ids, eos) for ids in row] for row in torch.stack(drawn, dim=2).tolist()]


def pick(chances: torch.Tensor) -> torch.Tensor:
    """An index drawn from the last dimension's probabilities.

    `torch.multinomial` takes a random number for every token of the vocabulary, which cost a third
    of a step on a CPU.
    """
    edges = chances.cumsum(-1)
    place = torch.rand_like(edges[..., :1]) * edges[..., -1:]
    return torch.searchsorted(edges, place).squeeze(-1).clamp(max=edges.shape[-1] - 1)


def cut(ids: list[int], eos: int) -> list[int]:
    """The ids up to the first end, and with it."""
    return ids[: ids.index(eos) + 1] if eos in ids else ids


def grade(text: str, references: list[str]) -> float:
    """How near a summary comes to all its references, from 0 to 1.

    Half is ROUGE-1, 2 and L (F1, stemmed) on average over the references, half BLEU against all.
    """
    from sacrebleu import sentence_bleu

    pairs = [scorer().score(reference, text) for reference in references]
    rouge = [score.fmeasure for pair in pairs for score in pair.values()]
    return sum(rouge) / len(rouge) / 2 + sentence_bleu(text, references).score / 200


@functools.cache
def scorer():
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
