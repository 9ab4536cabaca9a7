"""The usual way, for comparison: `datasets.map` over rows, with the same rules in Python's `re`."""

import html
import json
import re
from collections import Counter

import pyarrow as pa

from stages.cleaning.redaction import redact
from stages.params import Params, Redaction

# The rules of `stages.cleaning.rules` as English needs them, in what Python's `re` understands.
ENTITY = r"&#?\w+;"
URL = r"(?i)(?:https?://|www\.)\S+|<(?:link|url)>"
HANDLE = r"(^|[^\w@])@\w+"
SIGNATURE = r"\^\s?\w{1,12}|\s[-–—~*/]\s?(?:[A-Z]{1,3}|[A-Z][a-z]{1,11})\s*$"
SPECIAL = r"[^\w\s.,!?'%$£€:;/()+-]|_"
EMOJI_GLUE = "[\u00ad\u200d\u20e3\ufe0e\ufe0f]"


def map_rows(table: pa.Table, params: Params):
    """`id`, `conversation`, `prompt` and `references` of each raw row in DialogStudio's layout."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    # In memory, without the cache on disk, which would cost it time.
    rows = Dataset(table)
    head, tail = params.format_prompts.template.split("{conversation}")

    def to_prompt(row: dict) -> dict:
        lines = []
        for pair in row["log"]:
            for speaker, key in (("customer", "user utterance"), ("agent", "system response")):
                if text := clean(pair[key] or "", speaker, params.clean.redaction):
                    lines.append(f"{speaker}: {text}")
        summaries = json.loads(row["original dialog info"])["summaries"]["abstractive_summaries"]
        references = [" ".join(html.unescape(" ".join(texts)).split()) for texts in summaries]
        references = [
            redact(text, params.clean.redaction, Counter()) for text in dict.fromkeys(references)
        ]
        talk = "\n".join(lines)
        texts = {"conversation": talk, "prompt": head + talk + tail}
        return {"id": row["original dialog id"], **texts, "references": references}

    return rows.map(to_prompt, remove_columns=rows.column_names, keep_in_memory=True)


def clean(text: str, speaker: str, redaction: Redaction) -> str:
    """One turn under the default switches of `params.yaml`."""
    if re.search(ENTITY, text):
        text = html.unescape(text)
    text = redact(re.sub(URL, " ", text), redaction, Counter())
    if speaker == "agent":
        text = re.sub(SIGNATURE, " ", text)
    text = re.sub(HANDLE, r"\1 ", text)
    text = re.sub(EMOJI_GLUE, "", re.sub("[’‘]", "'", text))
    return re.sub(r"\s+", " ", re.sub(SPECIAL, " ", text).lower()).strip()
