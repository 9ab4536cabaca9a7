"""An archive through each engine, killed at random: is every summary there once, and the same?

    python -m benchmarks.archive --rows 200000 --files 200

A tiny random model in fp32 summarises generated conversations of some 30 words. Each engine runs the
same command until it ends; before that it is killed `--kills` times at random moments, with all the
processes it started. `transformers serve` has the exported model. Prints a Markdown table, and fails
where an id is missing, there twice, or has another summary than the local engine's, but for a tie:
two tokens that rounding in fp32 cannot tell apart. Needs `pip install -r tests/scale/requirements.txt`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.data_scale import processor
from stages.common.cli import run
from stages.model.tokenization import tokenize_prompt
from stages.params import load
from tests.helpers.project import Project, make_project, make_tiny_llama
from tests.helpers.serving import free_port, serve, wait_for

WORDS = [
    "parcel",
    "late",
    "order",
    "app",
    "refund",
    "phone",
    "broken",
    "please",
    "help",
    "account",
    "login",
    "card",
    "thanks",
]
ENGINES = ("local", "ray", "server")
TIE = 1e-6  # logits below 1 have steps of 6e-8 in fp32, and sums of some of them


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--server-rows", type=int, default=200_000, help="in the first files")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print_head()
    with tempfile.TemporaryDirectory() as name:
        project = prepare(Path(name), args)
        expected = measure(project, "local", "chats", args.files, 0, random.Random(args.seed))
        if "local" in args.engines:  # a tenth of the files: what does a file cost in memory?
            few = measure(project, "local", "few", args.files // 10, 0, random.Random(args.seed))
            assert few == expected, "other files, other summaries"
        for engine in args.engines:
            rows = min(args.rows, args.server_rows if engine == "server" else args.rows)
            files = max(1, args.files * rows // args.rows)
            with server(project) if engine == "server" else nothing() as url:
                chance = random.Random(f"{args.seed} {engine}")
                found = measure(project, engine, "chats", files, args.kills, chance, url)
            wanted = dict(list(expected.items())[: files * (args.rows // args.files)])
            assert found.keys() == wanted.keys(), "an id is lost"
            other = [id_ for id_, text in wanted.items() if found[id_] != text]
            for id_ in other:  # in other batches a sum is rounded otherwise
                gap = least_gap(project, id_)
                print(
                    f"\n{id_} is not local's: two tokens are {gap:.1e} apart in the logits",
                    flush=True,
                )
                assert gap < TIE, "that is no rounding"


def print_head() -> None:
    """The machine, and the head of a table whose rows `measure` prints."""
    print(f"{processor()}, {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}\n")
    print("| engine | files | conversations | kills | seconds | a second | peak MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")


def prepare(folder: Path, args: argparse.Namespace) -> Project:
    """A project with a trained and exported tiny model, and its archive."""
    make_tiny_llama(folder / "llama")
    project = make_project(folder / "project", folder / "llama")
    project.warm = False
    project.params(**{"model.precision": "fp32", "generate.batch_size": 64})
    project.dvc("repro", "finetune")
    project.python("-m", "tools.export", "exported", "--dtype", "fp32")
    chance = random.Random(args.seed)
    rows = [conversation(number, chance) for number in range(args.rows)]
    for name, files in (("chats", args.files), ("few", args.files // 10)):
        (project.root / name).mkdir()
        each = args.rows // files
        for n in range(files):
            lines = "".join(rows[n * each : (n + 1) * each])
            (project.root / name / f"{n:05}.jsonl").write_text(lines)
    return project


def conversation(number: int, chance: random.Random) -> str:
    said = " ".join(chance.choices(WORDS, k=chance.randint(5, 40)))
    row = {"id": f"{number:08}", "conversation": f"customer: {said}\nagent: sorry, number {number}"}
    return json.dumps(row) + "\n"


def measure(
    project: Project, engine: str, source: str, files: int, kills: int, chance, url: str = ""
) -> dict[str, str]:
    """Summarise the first files, print a row of the table, and return the summaries by id."""
    out = project.root / f"{engine}-{source}-{kills}"
    log = project.root / f"{out.name}.log"
    sources = [f"{source}/{n:05}.jsonl" for n in range(files)]
    command = [sys.executable, "-m", "tools.summarize", *sources, "--out", str(out)]
    command += ["--engine", "ray"] if engine == "ray" else []
    command += ["--server", url, "--model", "exported"] if url else []
    started, killed, done = time.monotonic(), 0, 0
    while True:
        before = time.monotonic()
        with open(log, "w") as said:
            process = subprocess.Popen(
                command,
                cwd=project.root,
                env=project.environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        # Killed once it has written so many files more.
        after = done + chance.randint(1, max(1, (files - done) // (kills - killed + 1)))
        ended = 0
        while not ended:
            if killed < kills and len(list(out.rglob("*.parquet"))) >= after:
                time.sleep(chance.random() * (time.monotonic() - before) / (after - done))
                kill_family(process)
                killed, after = killed + 1, files + 1
            time.sleep(0.05)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        done = len(list(out.rglob("*.parquet")))
        if status == 0:
            break
        assert os.WIFSIGNALED(status), f"{engine} failed: {log.read_text()[-2000:]}"
    seconds = time.monotonic() - started
    found = {}
    for file in sorted(out.rglob("*.parquet")):
        table = pq.read_table(file)
        found |= zip(table["id"].to_pylist(), table["summary"].to_pylist(), strict=True)
    peak = "" if engine == "ray" else f"{usage.ru_maxrss / 1024:,.0f}"  # actors are not its own
    cells = f"{seconds:.0f} | {len(found) / seconds:.0f} | {peak}"
    print(f"| {engine} | {files} | {len(found):,} | {killed} | {cells} |", flush=True)
    return found


def least_gap(project: Project, id_: str) -> float:
    """The least difference between the two best logits of a step of a summary, alone in its batch."""
    files = (file.read_text() for file in (project.root / "chats").iterdir())
    line = next(line for text in files for line in text.splitlines() if id_ in line)
    text = json.loads(line)["conversation"]
    model, tokenizer = (
        kind.from_pretrained(project.root / "exported")
        for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    ids = tokenize_prompt(tokenizer, text, load(project.root / "params.yaml").format_prompts)
    options = {"output_logits": True, "return_dict_in_generate": True}
    logits = model.generate(torch.tensor([ids]), **options).logits
    best = torch.cat(logits).topk(2).values
    return (best[:, 0] - best[:, 1]).min().item()


def kill_family(process: subprocess.Popen) -> None:
    members = [*psutil.Process(process.pid).children(recursive=True), process]
    for member in members:
        try:
            os.kill(member.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@contextmanager
def nothing() -> Iterator[str]:
    yield ""


@contextmanager
def server(project: Project) -> Iterator[str]:
    """The URL of `transformers serve` with the exported model."""
    port = free_port()
    process = serve(project, port, "--continuous-batching")  # 1.5 times as fast
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    run(main)
