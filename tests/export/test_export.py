"""Other programs read an exported model as this project does; `make test-export`, after `make repro`.

`make test` does not collect it: llama.cpp is compiled, which takes minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from stages.common.atomic_io import write_json
from stages.generate import tidy
from stages.generation.server import complete
from stages.params import Server, load
from tests.export.families import FAMILIES
from tests.helpers.data import ROOT
from tests.helpers.serving import free_port
from tools.export.readers import read_json, readable_config, readable_tokenizer_config

READERS = ROOT / ".venv-export"
HERE = Path(__file__).parent
GREEDY = {"do_sample": False, "temperature": 0.0, "max_new_tokens": 8}
TEXTS = ["Input: my parcel\n\nResponse:", " leading space", "a<b>c", "naïve — 日本語 🙂"]


def run(reader: str, *command: object, given: str = "") -> str:
    """The output of a Python script that finds the libraries of `reader` before .venv's."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=os.environ | {"PYTHONPATH": str(READERS / reader)},
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read_by_version_4(*folders: Path) -> list[dict[str, torch.Tensor]]:
    run("transformers-4", HERE / "transformers_4.py", *folders)
    return [load_file(folder / "read.safetensors") for folder in folders]


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """The project's own model, in fp32."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    subprocess.run(
        [sys.executable, "-m", "tools.export", str(folder), "--dtype", "fp32"], cwd=ROOT, check=True
    )
    return folder


@pytest.fixture(scope="module")
def prompts(exported) -> list[str]:
    frame = read_json(exported / "summarizer.json")["frame"]
    rows = pl.read_parquet(ROOT / "data/prompts/test.parquet").head(5)
    return [frame["before"] + text + frame["after"] for text in rows["conversation"]]


@pytest.fixture(scope="module")
def summaries(exported, prompts) -> list[str]:
    """What transformers 5 writes with the exported folder alone."""
    return generated(exported, prompts)


def generated(exported: Path, prompts: list[str], **options) -> list[str]:
    model = AutoModelForCausalLM.from_pretrained(exported)
    tokenizer = AutoTokenizer.from_pretrained(exported)
    texts = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        new = model.generate(ids, **options)[0, ids.shape[1] :]
        texts.append(tokenizer.decode(new, skip_special_tokens=True))
    return texts


def test_transformers_4_gives_the_same_logits_tokens_and_summary(exported, prompts, summaries):
    tokenizer = AutoTokenizer.from_pretrained(exported)
    ids = tokenizer(prompts[0]).input_ids
    write_json(exported / "asked.json", {"ids": ids, "texts": TEXTS})
    [read] = read_by_version_4(exported)
    model = AutoModelForCausalLM.from_pretrained(exported)
    with torch.inference_mode():
        assert torch.allclose(read["logits"], model(torch.tensor([ids])).logits, atol=1e-3)
    assert tokenizer.decode(read["generated"][0], skip_special_tokens=True) == summaries[0]
    for number, text in enumerate(TEXTS):
        assert read[f"text {number}"].tolist() == tokenizer(text).input_ids


def test_transformers_4_reads_every_family_alike(tmp_path):
    ids = torch.randint(2, 64, (1, 200), generator=torch.Generator().manual_seed(1))
    want = {}
    for name, config in FAMILIES.items():
        folder = tmp_path / name
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        for weights in model.parameters():
            if weights.dim() > 1:
                torch.nn.init.normal_(weights, std=0.2)
        model.save_pretrained(folder)
        file, tied = folder / "config.json", bool(config.tie_word_embeddings)
        write_json(file, readable_config(read_json(file), {}, config.attribute_map, tied))
        write_json(folder / "generation_config.json", GREEDY)
        write_json(folder / "asked.json", {"ids": ids[0].tolist()})
        with torch.inference_mode():
            want[name] = model(ids).logits
    read = read_by_version_4(*(tmp_path / name for name in want))
    off = {
        name: (one["logits"] - logits).norm() / logits.norm()
        for (name, logits), one in zip(want.items(), read, strict=True)
    }
    assert {name: float(share) for name, share in off.items() if share > 1e-3} == {}


def test_transformers_4_reads_a_tokenizer_with_its_own_space_and_tokens(tmp_path):
    """A tokenizer that puts a space in front, and has special tokens without a name."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="</s>", extra_special_tokens=["<b>"]
    )
    write_models_files(tmp_path, len(tokenizer))
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    mended = readable_tokenizer_config(read_json(file), read_json(tmp_path / "tokenizer.json"))
    write_json(file, mended)
    write_json(tmp_path / "asked.json", {"ids": [1, 2, 3], "texts": TEXTS})
    [read] = read_by_version_4(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for number, text in enumerate(TEXTS):
        want = tokenizer(text).input_ids
        assert read[f"text {number}"].tolist() == want == again(text).input_ids


def write_models_files(folder: Path, vocabulary: int) -> None:
    config = FAMILIES["llama"].__class__(
        **FAMILIES["llama"].to_dict() | {"vocab_size": vocabulary, "architectures": None}
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    write_json(folder / "generation_config.json", GREEDY)


@pytest.fixture(scope="module")
def gguf(exported, tmp_path_factory) -> Path:
    """The exported model as llama.cpp's own converter writes it."""
    converter = READERS / "llama.cpp/convert_hf_to_gguf.py"
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    run("transformers-4", converter, exported, "--outtype", "f32", "--outfile", file)
    return file


@pytest.fixture(scope="module")
def greedy(exported, prompts) -> list[str]:
    """What transformers 5 writes without beams, which llama.cpp has not."""
    return generated(exported, prompts, num_beams=1)


def test_llama_cpp_writes_the_same_summaries(gguf, prompts, greedy):
    said = run("llama-cpp", HERE / "llama_cpp_greedy.py", gguf, given=json.dumps(prompts))
    assert json.loads(said) == greedy


@pytest.fixture
def llama_cpp_server(gguf):
    port = free_port()
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(gguf), "--n_ctx", "1024"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(READERS / "llama-cpp")},
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_llama_cpps_server_writes_the_same_summaries(llama_cpp_server, exported, prompts, greedy):
    """It would shun tokens of the prompt where a request does not say otherwise."""
    server = Server(url=llama_cpp_server, model=None, concurrency=2, patience_minutes=1)
    knobs = load().generate.model_copy(update={"num_beams": 1, "max_new_tokens": 64})
    tokenizer = AutoTokenizer.from_pretrained(exported)
    ids = [tokenizer(prompt).input_ids for prompt in prompts]
    said = [text for text, _ in complete(server, tokenizer, ids, knobs)]
    assert [tidy(text) for text in said] == [tidy(text) for text in greedy]
