"""The models and what checks their summaries: loaded once, used by page and API alike."""

from collections.abc import Iterable

from stages.params import Params
from tools.app.marker import load_marker
from tools.conversations import Conversation
from tools.summarize.engines import as_trained, load_models, write_with

Summaries = dict[str, str]  # by model: tuned, base


class Models:
    def __init__(self, params: Params, base: bool):
        self.usage, self.params = as_trained(params)
        self.tokenizer, self.models = load_models(self.params, self.usage, base)
        self.marker = load_marker(self.params.score)

    def write(self, texts: list[str], wanted: list[Iterable[str]]) -> list[Summaries]:
        """What the models that are `wanted` of a conversation write of it, a batch a model."""
        summaries: list[Summaries] = [{} for _ in texts]
        for name, model in self.models.items():
            some = [i for i, names in enumerate(wanted) if name in names]
            if some:
                asked = [texts[i] for i in some]
                written = write_with(model, self.tokenizer, asked, self.params, self.usage)
                for i, summary in zip(some, written, strict=True):
                    summaries[i][name] = summary
        return summaries

    def tokens_cut(self, text: str) -> int:
        """How many tokens of the middle the models do not see."""
        from stages.model.tokenization import tokenize_prompts

        knobs, frame = self.params.format_prompts, self.usage.rendered
        ((ids, length),) = tokenize_prompts(self.tokenizer, [text], knobs, frame)
        return length - len(ids)

    def unsupported(
        self, conversation: Conversation, summaries: Summaries
    ) -> dict[str, list[dict]] | None:
        """Spans by model, as in data/unsupported.jsonl; None where nothing can check them."""
        return self.marker and self.marker(conversation.turns, summaries)
