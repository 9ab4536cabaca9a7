"""Every command of README.md and docs/ runs as it is written, or stands below with a reason."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.project import ROOT as REPOSITORY
from tests.helpers.project import Project

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
NOT_RUN = {
    "make test": "it would run this test",
    "source .venv/bin/activate": "the test's own environment is active",
    "make preset NAME=llama2-7b-tweetsumm": "the next command would fetch 13 GB: tests/tools/test_preset.py",
    "dvc exp run --queue -S finetune.lora.r=8,16,32 -S finetune.learning_rate=2e-4,1e-3": "tests/tools/test_sweep.py queues a grid",
    "dvc exp run --queue -S finetune.seed=43,44,45": "tests/tools/test_seeds.py trains with another seed",
    "python -m tools.crossvalidate": "tests/tools/test_crossvalidate.py compares two settings",
    "python -m tools.sweep": "tests/tools/test_sweep.py runs a search",
    "python -m tools.inspect my_folder --write mine": "tests/tools/test_inspect.py runs this",
    "dvc repro": "tests/pipeline/test_repro.py, and tests/tools/test_inspect.py after inspect",
    "dvc exp run -S finetune.ranking.candidates=4": "tests/training/test_ranking.py trains on a ranking",
    "dvc queue start": "tests/tools/test_sweep.py starts a queue",
    "dvc remote add -d store /mnt/shared/store": "tests/tools/test_share.py uses a folder of its own",
    "dvc push --run-cache": "tests/tools/test_share.py pushes",
    'python -m tools.card && git add MODEL_CARD.md && git commit -m "Card of the next version"': "tests/tools/test_share.py",
    "gto register summarizer": "tests/tools/test_share.py",
    "dvc artifacts get . summarizer --rev v0.0.1 -o adapter": "tests/tools/test_share.py",
    "dvc get . MODEL_CARD.md --rev summarizer@v0.0.1": "tests/tools/test_share.py",
    "sbatch -W cluster/slurm.sbatch": "SLURM is no part of the project: tests/test_cluster.py",
    "sky launch cluster/sky.yaml --down --env NAME=higher-rate --env SET=finetune.learning_rate=1e-3": "it rents a machine: tests/test_cluster.py",
    "dvc exp pull origin higher-rate": "tests/test_cluster.py pushes and pulls an experiment",
    "python -m benchmarks.base_models": "tests/model/test_families.py compares the table, a kind each",
    "export HF_TOKEN=…": "it is a token's place",
    "python -m tools.push USER/NAME": "tests/tools/test_push.py pushes to a hub of its own",
    "python -m tools.push USER/NAME --merged my_model": "tests/tools/test_push.py",
    "python -m tools.summarize chats 'more/2024-*.csv.gz' s3://bucket/chats --out summaries": "it needs a store: tests/tools/test_archive.py has folders, patterns and a server",
    "pip install -r requirements-scale.txt": "`make test-scale` does",
    "python -m tools.summarize chats --out summaries --engine ray": "tests/scale/test_ray.py, on three nodes",
    "python -m tools.summarize chats --out summaries --server http://127.0.0.1:8000 --model my_model": "tests/scale/test_served.py",
    "python -m tools.sweep --storage postgresql+psycopg://me@database/sweeps": "tests/scale/test_shared_sweep.py has a database",
    "dvc exp push origin --rev HEAD": "tests/scale/test_shared_sweep.py pushes and pulls",
    "dvc exp pull origin --rev HEAD": "tests/scale/test_shared_sweep.py",
    "vllm serve my_model": "vLLM is no part of the project",
    "python convert_hf_to_gguf.py my_model --outtype q8_0": "`make test-export` runs it",
    "FAULTS=1000 .venv/bin/python -m pytest tests/pipeline/test_faults.py -s": "it takes an hour",
    "python -m tools.ratings score ratings/ana.csv ratings/ben.csv": "it takes people: tests/tools/test_ratings.py",
    "python -m tools.judge --url http://127.0.0.1:8000 --model NAME --dry-run": "NAME is a model: tests/tools/test_judge.py",
    "python -m tools.judge --url https://api.example.com/v1 --model NAME --prices 0.15 0.60": "tests/tools/test_judge.py has a server",
    "make app": "it serves until it is stopped: tests/app",
    "python -m tools.app --port 8080 --no-base": "tests/app/test_start.py",
    "export SUMMARIZER_TOKEN=$(openssl rand -hex 16)": "the next command takes it",
    "python -m tools.app --host 0.0.0.0": "tests/app/test_start.py",
    """curl http://127.0.0.1:7860/v1/summaries -H 'Content-Type: application/json'   -d '{"conversation": "Customer: my parcel never came\\nAgent: sorry! please DM us the number"}'""": "tests/app/test_api.py asks over a socket",
    "python -m tools.compare main my-branch": "tests/tools/test_compare.py compares two commits",
}


DONE: set[str] = set()  # by a page before: each command runs once


def commands(page: Path) -> list[str]:
    """The lines of a page's bash blocks, continued lines joined, without comments."""
    blocks = re.findall(
        r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = "\n".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in (re.sub(r"(^|\s+)# .*", "", line).strip() for line in lines) if line]


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory) -> Project:
    """The reproduced tiny project, with what the pages take for granted."""
    root = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(reproduced.root, root, symlinks=True)
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "constraints.txt"):
        shutil.copy2(REPOSITORY / name, root / name)  # as old as .venv's stamps, or pip would run
    shutil.copytree(REPOSITORY / "presets", root / "presets")
    (root / ".venv").symlink_to(REPOSITORY / ".venv")
    turns = [{"speaker": "customer", "text": "my parcel is late"}]
    (root / "chats.jsonl").write_text(f'{{"turns": {turns}}}\n'.replace("'", '"'))
    (root / ".git/info/exclude").write_text(".venv\n")
    project = Project(root)
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "as a reader has it")
    return project


def test_commands(project):
    for command in [command for page in PAGES for command in commands(page)]:
        if command in NOT_RUN or command in DONE:
            continue
        DONE.add(command)
        done = project.run("bash", "-c", command, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("make preset"):
            project.run("git", "checkout", "-q", "params.yaml")


def test_no_reason_is_left_over():
    assert set(NOT_RUN) <= {command for page in PAGES for command in commands(page)}


def test_readme_is_short():
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 150


def test_links_lead_somewhere():
    for page in [*PAGES, REPOSITORY / "benchmarks/README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
