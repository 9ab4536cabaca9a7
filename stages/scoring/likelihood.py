"""How much likelier a conversation makes a summary, to the base model: with a model, if asked.

The pointwise mutual information of the two, in nats a token of the summary: log p(summary |
conversation) - log p(summary), divided by its tokens (as BARTScore does, Yuan et al. 2021,
https://arxiv.org/abs/2106.11520, but without what is likely of every summary). A summary that would fit
any conversation is near 0.
"""

from copy import deepcopy
from inspect import signature
from pathlib import Path

from stages.common.cli import UserError

HEAD = "Summary:"  # what stands before a summary, with a conversation and without
LONGEST = 4096  # tokens of a row, where the model takes more
ROW_TOKENS = 4096  # of a batch, with its padding


class Likelihood:
    """A causal language model in a folder of safetensors."""

    def __init__(self, folder: Path):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # loading takes a second; scoring has its own
        cuda = torch.cuda.is_available()
        own = {"trust_remote_code": False, "local_files_only": True}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **own)
            model = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype="auto" if cuda else torch.float32, **own
            )
        except (OSError, ValueError, KeyError) as error:
            what = str(error).strip().splitlines()[0]
            raise UserError(f"score.pmi: {folder} cannot be loaded: {what}") from None
        self.device = "cuda" if cuda else "cpu"
        self.model = model.to(self.device).eval()
        self.can_skip = "logits_to_keep" in signature(model.forward).parameters
        known = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1024
        self.longest = min(known, LONGEST)
        bos = self.tokenizer.bos_token_id
        self.start = [bos] if bos is not None and bos in self.tokenizer("").input_ids else []
        self.alone: dict[
            str, float
        ] = {}  # log p by summary: a constant one comes with each dialogue

    def __call__(self, turns: list[dict], summaries: list[str]) -> list[float | None]:
        """The gain of each summary; None for one that says nothing."""
        texts = [summary.strip() for summary in summaries]
        said = list(dict.fromkeys(text for text in texts if text))
        rows = [self.ids(f" {text}")[: self.longest // 4] for text in said]
        given = self.log_likelihoods(self.context(turns), rows)
        new = [n for n, text in enumerate(said) if text not in self.alone]
        alone = self.log_likelihoods(self.context([]), [rows[n] for n in new])
        self.alone |= {said[n]: value for n, value in zip(new, alone, strict=True)}
        gains = {
            text: (value - self.alone[text]) / len(row)
            for text, value, row in zip(said, given, rows, strict=True)
        }
        return [gains.get(text) for text in texts]

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def context(self, turns: list[dict]) -> list[int]:
        """What stands before a summary, at least a token; a long conversation loses its middle."""
        head = self.ids(HEAD)
        conversation = self.ids("".join(f"{line_of(turn)}\n" for turn in turns))
        room = self.longest - self.longest // 4 - len(self.start) - len(head)
        if len(conversation) > room:
            front = (room + 1) // 2
            conversation = conversation[:front] + conversation[len(conversation) - room + front :]
        return [*self.start, *conversation, *head]

    def log_likelihoods(self, context: list[int], rows: list[list[int]]) -> list[float]:
        """log p of each row of tokens after the context, in nats; rows are padded on the right."""
        import torch

        found: list[float] = []
        with torch.inference_mode():
            shared = self.read(context[:-1]) if rows else None
            # The last token of the context predicts the first of the row.
            front = context if shared is None else context[-1:]
            size = max(1, ROW_TOKENS // (len(front) + max(map(len, rows), default=1)))
            for start in range(0, len(rows), size):
                some = [[*front, *row] for row in rows[start : start + size]]
                width, past = max(map(len, some)), len(context) - len(front)
                ids = torch.zeros(len(some), width, dtype=torch.long)
                mask = torch.ones(len(some), past + width, dtype=torch.long)
                for n, row in enumerate(some):
                    ids[n, : len(row)], mask[n, past + len(row) :] = torch.tensor(row), 0
                logits = self.logits(ids, mask, shared, len(front) - 1)
                logp = logits.float().log_softmax(-1).cpu()
                for n, row in enumerate(some):
                    targets = torch.tensor(row[len(front) :])[:, None]
                    found.append(logp[n, : len(targets)].gather(-1, targets).sum().item())
        return found

    def read(self, context: list[int]):
        """The cache of a context, to be shared by rows; None where a cache cannot be repeated."""
        import torch
        from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

        if not context:
            return None
        ids = torch.tensor([context], device=self.device)
        skip = {"logits_to_keep": 1} if self.can_skip else {}
        cache = self.model(input_ids=ids, use_cache=True, **skip).past_key_values
        kinds = (DynamicLayer, DynamicSlidingWindowLayer)
        plain = type(cache) is DynamicCache and all(type(one) in kinds for one in cache.layers)
        return cache if plain else None

    def logits(self, ids, mask, shared, first: int):
        """Of the positions from `first` to the last but one: those of a conversation take memory."""
        import torch

        cache = deepcopy(shared)
        if cache is not None:
            cache.batch_repeat_interleave(len(ids))
        keep = torch.arange(first, ids.shape[1] - 1, device=self.device)
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            past_key_values=cache,
            use_cache=cache is not None,
            **({"logits_to_keep": keep} if self.can_skip else {}),
        ).logits
        return logits if self.can_skip else logits[:, first:-1]


def line_of(turn: dict) -> str:
    return f"{turn['speaker']}: {turn['text']}" if turn["speaker"] else turn["text"]
