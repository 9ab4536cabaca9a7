"""What `tools.inspect` prints."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stages.common.parquet import SPLITS
from stages.params import Columns, Params
from stages.training.durations import in_words
from tools.inspect import timing
from tools.inspect.files import SAMPLE, Source
from tools.inspect.lengths import Lengths
from tools.inspect.look import Look
from tools.inspect.settings import MOST, above

SCRIPTS = {
    "Latin": "A-Za-z\u00c0-\u024f",
    "Greek": "\u0370-\u03ff",
    "Cyrillic": "\u0400-\u052f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff",
    "Devanagari": "\u0900-\u097f",
    "Thai": "\u0e00-\u0e7f",
    "Japanese kana": "\u3040-\u30ff",
    "Chinese characters": "\u3400-\u9fff",
    "Hangul": "\uac00-\ud7af",
}
ENGLISH = re.compile(r"\b(?:the|and|of|to|is|that|with|are|for)\b")
LONGEST = 700  # characters of an example


def heading(text: str) -> None:
    print(f"\n{text}")


def line(name: str, value: object) -> None:
    print(f"  {name:<14} {value}")


def files(source: Source, rows: dict[str, int], describe: Callable[[Path], str]) -> None:
    heading("Files")
    for split in SPLITS:
        for path in source.paths(split)[:5]:
            line(split, f"{path}: {describe(path)}")
        if len(source.files[split]) > 5:
            line(split, f"and {len(source.files[split]) - 5} more")
    if source.left_out:
        more = " …" * (len(source.left_out) > 5)
        line("not read", f"{', '.join(source.left_out[:5])}{more}: their names tell of no split")
    for split in SPLITS:
        line("rows", f"{split} {rows[split]:,}" if split in rows else f"{split}: taken from train")
    if max(rows.values()) > SAMPLE:
        line("looked at", f"the first {SAMPLE:,} rows of a split")


def layout(
    columns: Columns, unread: list[str], speakers: Counter, roles: dict | None, notes: list
) -> None:
    heading("Columns")
    for name, value in columns.model_dump().items():
        if value is not None:
            line(
                name.replace("speaker_", ""), ", ".join(value) if isinstance(value, list) else value
            )
    if unread:
        line("not read", ", ".join(unread[:6]) + " …" * (len(unread) > 6))
    heading("Speakers")
    for name, count in speakers.most_common(10):
        role = next((role for key, role in (roles or {}).items() if str(name).lower() == key), None)
        line(f"{count:,} turns", f"{name or 'none'}{f', taken for {role}' if role else ''}")
    if len(speakers) > 10:
        line("", f"and {len(speakers) - 10:,} more names")
    for note in filter(None, notes):
        line("note", note)


def language(look: Look) -> None:
    rows = look.prompts["train"].head(500)
    references = [text for texts in rows["references"].to_list() for text in texts]
    for name, texts in (
        ("conversations", rows["conversation"].to_list()),
        ("summaries", references),
    ):
        text = " ".join(texts)
        counts = {s: len(re.findall(f"[{letters}]", text)) for s, letters in SCRIPTS.items()}
        total = sum(counts.values()) or 1
        shares = [
            f"{s} {n / total:.0%}" for s, n in Counter(counts).most_common(3) if n / total > 0.01
        ]
        english = len(ENGLISH.findall(text.lower())) > 0.08 * len(text.split())
        line(name, (", ".join(shares) or "no letters") + (", English" if english else ""))


def examples(found: list[tuple[str, str, list[str]]]) -> None:
    for number, (before, prompt, references) in enumerate(found, 1):
        heading(f"Conversation {number}, as it is")
        print(indented(before))
        heading(f"Conversation {number}, as the prompt")
        print(indented(prompt))
        for reference in references:
            line("summary", shortened(reference).replace("\n", "\n" + " " * 17))


def indented(text: str) -> str:
    return "\n".join(f"  {one}" for one in shortened(text).splitlines())


def shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} … {len(text) - LONGEST:,} more characters"


def cleaning(look: Look, rules: dict[str, bool], params: Params) -> None:
    heading("Cleaning")
    for fact in look.facts.removeprefix("clean: ").split("; "):
        name, colon, value = fact.partition(": ")
        line(name if colon else "left", value if colon else fact)
    if look.holdout:
        line("holdout", f"{look.holdout}, with which each split has a dialogue")
    on = "on, the texts are tweets" if rules["handles"] else "off, the texts are no tweets"
    line("rules", f"{', '.join(rules)}: {on}")
    if look.malformed() > params.clean.max_malformed:
        line(
            "too many",
            f"{look.malformed():.0%} of the rows: above clean.max_malformed: see columns, leave such"
            " rows out, or raise it",
        )


def lengths(tokens: Lengths, params: Params, limits: dict) -> None:
    """Lengths in tokens beside the limits of params.yaml; `limits` are those that would do."""
    heading(
        f"Tokens{', estimated: `dvc repro fetch@model` brings the tokenizer' * tokens.estimated}"
    )
    print(f"  {'':<14} {'median':>7} {'95 %':>7} {'longest':>7}")
    for name, found in (("prompts", tokens.prompts), ("summaries", tokens.summaries)):
        ordered = sorted(found)
        ranks = (ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))], ordered[-1])
        print(f"  {name:<14} " + " ".join(f"{rank:>7,}" for rank in ranks))
    knobs = (
        ("format_prompts.max_prompt_tokens", tokens.prompts, "of the prompts are cut"),
        ("finetune.max_summary_tokens", tokens.summaries, "of the summaries are left out"),
        ("generate.max_new_tokens", tokens.summaries, "of the summaries are longer"),
    )
    for key, found, what in knobs:
        section, name = key.split(".")
        now = getattr(getattr(params, section), name)
        share = above(found, now)
        advice = f": set it to {limits[section][name]}" if share > MOST else ""
        print(f"  {key} is {now:,}: {share:.0%} {what}{advice}")
    if tokens.context:
        line("base model", f"at most {tokens.context:,} tokens of prompt and summary")


def time(look: Look, base: Path, params: Params, rows: int) -> None:
    heading("Training")
    left = look.prompts["train"].height
    dialogues = round(left * max(1, rows / SAMPLE))
    dialogues = min(dialogues, params.finetune.max_train_samples or dialogues)
    if not (base / "config.json").exists():
        line("time", "not known: run `dvc repro fetch@model`, then this again")
        return
    seconds = timing.seconds_of_training(look, base, params, dialogues)
    epochs = params.finetune.num_train_epochs
    what = f"{dialogues:,} dialogues, {epochs:g} epoch{'s' * (epochs != 1)}"
    line("time", f"about {in_words(seconds)} here for {what}, by a few steps")
    if params.finetune.ranking.candidates:
        line("", "and the ranking, which takes about as long again")
