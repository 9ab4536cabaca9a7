"""A tiny Llama with random weights, and a real DVC project around it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.helpers.warm_server import warm_environment

ROOT = Path(__file__).resolve().parents[2]
CHATS = [
    ("my parcel {n} never came and nobody answers", "we are sorry, send us a DM with the number"),
    ("the app crashes when i pay bill {n}", "please reinstall it and try again today"),
    ("train {n} is late again, i miss my exam", "it leaves in ten minutes from platform two"),
]


def make_tiny_llama(folder: Path) -> Path:
    """Write a byte-level Llama of two layers: config, tokenizer and safetensors, as on a hub."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<s>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def tiny_params() -> dict:
    """The project's params, reduced for tests."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["fetch"]["dataset"] |= {"source": "files", "path": "corpus"}
    params["fetch"]["model"] |= {"source": "path", "path": "llama"}
    params["card"] |= {"base": "somebody/tiny-llama", "data": "three chats"}
    params["clean"]["columns"] |= {
        "id": "id",
        "conversation": "turns",
        "customer": None,
        "agent": None,
        "speaker": "who",
        "text": "said",
        "references": "summaries",
    }
    params["finetune"]["lora"] |= {"r": 4, "last_layers": 1}
    params["finetune"] |= {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 1,
        "evals_per_epoch": 1,
    }
    params["generate"] |= {"batch_size": 4, "max_new_tokens": 8, "num_beams": 1}
    params["score"]["bootstrap_samples"] = 100
    return params


def prompting(max_prompt_tokens: int = 256, **changes):
    """The `format_prompts` section as an object, for functions that tokenize."""
    from stages.params import FormatPrompts

    section = tiny_params()["format_prompts"] | {"max_prompt_tokens": max_prompt_tokens}
    return FormatPrompts(**section | changes)


def write_corpus(folder: Path, sizes: dict[str, int] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    n = 0
    for split, size in (sizes or {"train": 12, "validation": 4, "test": 5}).items():
        with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as out:
            for _ in range(size):
                n += 1
                problem, answer = (text.format(n=n) for text in CHATS[n % 3])
                turns = [{"who": "customer", "said": problem}, {"who": "agent", "said": answer}]
                summaries = [f"Customer: {problem[:20]}. Agent answers.", f"Customer case {n}."]
                row = {"id": f"c{n}", "turns": turns, "summaries": summaries}
                out.write(json.dumps(row) + "\n")


class Project:
    """A Git repository with the pipeline, in which commands run as a user runs them."""

    def __init__(self, root: Path, warm: bool = True):
        """If `warm`, stages run in forks of one process: see `tests.helpers.warm_server`."""
        self.root, self.warm = root, warm

    @property
    def environment(self) -> dict[str, str]:
        warm = warm_environment() if self.warm else {}
        return (
            os.environ
            | warm
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "GIT_AUTHOR_NAME": "t",
                "GIT_AUTHOR_EMAIL": "t@example.com",
                "GIT_COMMITTER_NAME": "t",
                "GIT_COMMITTER_EMAIL": "t@example.com",
            }
        )

    def run(
        self, *command: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} exited {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def python(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess:
        return self.run(sys.executable, *arguments, check=check, **environment)

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.python("-m", "dvc", *arguments, check=check, WARM_DVC="1")

    def params(self, **changes) -> None:
        """Set leaves of params.yaml by dotted key: `params(**{"score.seed": 1})`."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            *parents, leaf = key.split(".")
            section = params
            for parent in parents:
                section = section[parent]
            section[leaf] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def make_project(root: Path, llama: Path) -> Project:
    root.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("stages", "tools", ".dvc"):
        if folder == ".dvc":
            (root / ".dvc").mkdir()
            shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
            shutil.copy(ROOT / ".dvc/.gitignore", root / ".dvc/.gitignore")
        else:
            shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    for file in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / file, root / file)
    for file in ROOT.glob("*/.gitignore"):
        if file.parent.name in ("data", "models"):
            (root / file.parent.name).mkdir(exist_ok=True)
            shutil.copy(file, root / file.parent.name / ".gitignore")
    shutil.copytree(llama, root / "llama")
    write_corpus(root / "corpus")
    (root / "params.yaml").write_text(yaml.safe_dump(tiny_params(), sort_keys=False))
    project = Project(root)
    project.run("git", "init", "-q", "-b", "main")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project


def prepare(project: Project) -> None:
    """Run the stages before finetune."""
    for stage in ("fetch dataset", "fetch model", "clean", "format_prompts"):
        project.python("-m", *f"stages.{stage}".split())
