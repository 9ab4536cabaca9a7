"""The comment on a pull request uses Git only, and says what it could not compare."""

import json
import subprocess

import pytest
import yaml

from stages.common.cli import UserError
from stages.scoring.bleu import STATISTICS
from tests.helpers.project import Project
from tools.compare.__main__ import comment
from tools.compare.content import md5
from tools.compare.revision import commit, git, working_tree

SCORES = {"tuned": {"bleu": 20.0}, "bleu_signature": "nrefs:1"}


def counts(matches: int) -> list[int]:
    return [20, 20, matches, matches - 1, matches - 2, matches - 3, 20, 19, 18, 17]


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Project:
    """A Git repository with only the files that `compare` reads, on branch main."""
    project = Project(tmp_path / "repository")
    project.root.mkdir()
    monkeypatch.chdir(project.root)
    project.run("git", "init", "-q", "-b", "main")
    (project.root / "params.yaml").write_text("finetune: {epochs: 1}\n")
    save(project)
    return project


def save(project: Project, branch: str | None = None) -> None:
    if branch:
        project.run("git", "checkout", "-q", "-b", branch)
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "x")


def write_metrics(project: Project, matches: dict[str, int], scores: dict = SCORES) -> None:
    """Write score.json and dialogues.csv, with the matches of each dialogue's tuned summary."""
    folder = project.root / "metrics"
    folder.mkdir(exist_ok=True)
    (folder / "score.json").write_text(json.dumps(scores))
    rows = [["id", "system", *STATISTICS]]
    rows += [[id_, "tuned", *counts(found)] for id_, found in matches.items()]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / "dialogues.csv").write_text(text)


def write_lock(project: Project, **stages: dict) -> None:
    lock = {"schema": "2.0", "stages": stages}
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock))


def against_main() -> str:
    return comment(commit("main"), working_tree())


def test_two_branches_of_a_shallow_clone_without_cache(faster_once, tmp_path):
    project = Project(faster_once / "project")
    url = project.root.as_uri()
    project.run("git", "clone", "-q", "--depth", "1", "-b", "faster", url, str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")

    refused = clone.python("-m", "tools.compare", "main", check=False)
    advised = "git fetch --depth 1 origin main:remotes/origin/main"
    assert refused.returncode == 1 and f"`{advised}`" in refused.stderr
    clone.run(*advised.split())
    printed = clone.python("-m", "tools.compare", "main").stdout

    assert not (clone.root / ".dvc/cache").exists() and not (clone.root / "data/raw").exists()
    assert "| `finetune.learning_rate` | `0.001` | `0.03` |" in printed
    before, after = (
        json.loads(project.run("git", "show", f"{branch}:metrics/finetune.json").stdout)
        for branch in ("main", "faster")
    )
    shown = [f"`{side['validation_loss']}`" for side in (before, after)]
    assert f"| `finetune.validation_loss` | {shown[0]} | {shown[1]} |" in printed
    stages = printed.split("### Stages")[1].split("###")[0]
    assert "| `finetune` | params `finetune.learning_rate` |" in stages
    assert "| `generate@tuned` | dep `models/adapter` of `finetune` |" in stages
    assert "| `score` | dep `data/summaries/tuned.jsonl` of `generate@tuned` |" in stages
    assert "generate@base" not in stages and "clean" not in stages
    assert "**Tuned model: " in printed and "5 dialogues are too few for a verdict" in printed
    assert "did not run since" not in printed
    swapped = clone.python("-m", "tools.compare", "faster", "main").stdout
    assert "| `finetune.learning_rate` | `0.03` | `0.001` |" in swapped


def test_summaries_are_shown_where_the_cache_has_them(repository):
    script = "mkdir -p data/summaries; cp summaries data/summaries/tuned.jsonl"
    stage = {"cmd": script, "deps": ["summaries"], "outs": ["data/summaries/tuned.jsonl"]}
    (repository.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"generate": stage}}))
    repository.dvc("init", "-q")

    def reproduce(word: str, matches: int) -> None:
        rows = [{"id": id_, "summary": f"{word} {id_}"} for id_ in "ab"]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (repository.root / "summaries").write_text(text)
        repository.dvc("repro", "-q")
        write_metrics(repository, {"a": matches, "b": 10})

    reproduce("old", 10)
    save(repository)
    reproduce("new", 14)
    body = against_main()
    [row] = [line for line in body.splitlines() if line.startswith("- +")]
    assert row.endswith(" `a`")
    assert "  - before: `old a`\n  - after: `new a`" in body and "old b" not in body
    assert "| `generate` | dep `summaries` |" in body
    subprocess.run(["rm", "-rf", repository.root / ".dvc/cache"], check=True)
    body = against_main()
    assert "old a" not in body and "  - after: `new a`" in body
    assert "- The summaries of `main" in body and "are not on this machine" in body


def test_an_id_with_a_line_break_of_unicode_is_one_dialogue(repository):
    for word, matches in (("old", 10), ("new", 14)):
        folder = repository.root / "data/summaries"
        folder.mkdir(parents=True, exist_ok=True)
        row = json.dumps({"id": "a\u2028b", "summary": word}, ensure_ascii=False) + "\n"
        (folder / "tuned.jsonl").write_text(row)
        out = {"path": "data/summaries/tuned.jsonl", "md5": md5(row.encode())}
        write_lock(repository, generate={"cmd": "x", "outs": [out]})
        write_metrics(repository, {"a\u2028b": matches, "c": 10})
        if word == "old":
            save(repository)
    body = against_main()
    [row] = [line for line in body.splitlines() if line.startswith("- +")]
    assert row.endswith(" `a b`") and "  - after: `new`" in body


def test_equal_commits_report_no_change(repository):
    write_metrics(repository, {"a": 10, "b": 12})
    write_lock(repository, score={"cmd": "x"})
    save(repository)
    body = against_main()
    assert "No change: metrics, params and stages are the same." in body and "###" not in body


def test_base_without_metrics_is_reported(repository):
    write_metrics(repository, {"a": 20, "b": 20})
    body = against_main()
    assert "**Tuned model: 100.0**, the first score." in body
    assert "`main" in body and "has no metrics yet" in body
    assert "| `score.tuned.bleu` | — | `20.0` |  |" in body


def test_head_without_metrics_is_reported(repository):
    write_metrics(repository, {"a": 10, "b": 12})
    save(repository)
    for file in (repository.root / "metrics").iterdir():
        file.unlink()
    body = against_main()
    assert "`the working tree" in body and "has no metrics yet" in body
    assert "| `score.tuned.bleu` | `20.0` | — |  |" in body


def test_different_splits_are_paired_by_common_dialogues(repository):
    write_metrics(repository, dict.fromkeys("abcd", 10))
    save(repository)
    write_metrics(repository, dict.fromkeys("bcde", 14))
    body = against_main()
    assert "4 dialogues before, 4 after, 3 in both; scores are compared over these" in body
    assert "3 dialogues are too few for a verdict" in body
    write_metrics(repository, dict.fromkeys("xyz", 14))
    body = against_main()
    assert "0 in both; no paired test is possible" in body and "### BLEU" not in body


def test_changed_test_split_and_signature_are_reported(repository):
    dep = {"path": "data/clean/test.parquet", "hash": "md5", "md5": "1" * 32}
    write_metrics(repository, {"a": 10, "b": 12})
    write_lock(repository, score={"cmd": "x", "deps": [dep]})
    save(repository)
    write_lock(repository, score={"cmd": "x", "deps": [dep | {"md5": "2" * 32}]})
    write_metrics(repository, {"a": 10, "b": 12}, SCORES | {"bleu_signature": "nrefs:2"})
    body = against_main()
    assert "the two scores are not of the same test" in body
    assert "the two scores are not of one kind" in body


@pytest.mark.parametrize("unlike", ["test data", "signature of BLEU"])
def test_two_tests_have_no_verdict_though_their_ids_are_equal(repository, unlike):
    """Any file's numbered dialogues are `test-1`, `test-2`, …, and one tokenizer counts otherwise."""
    before, after = ({f"test-{n}": matches for n in range(40)} for matches in (10, 18))
    dep = {"path": "data/clean/test.parquet", "hash": "md5", "md5": "1" * 32}

    def write(matches: dict[str, int], md5: str, tokenizer: str) -> None:
        write_metrics(repository, matches, SCORES | {"bleu_signature": f"nrefs:1|tok:{tokenizer}"})
        write_faithfulness(repository, {id_: str(found) for id_, found in matches.items()})
        write_lock(repository, score={"cmd": "x", "deps": [dep | {"md5": md5 * 32}]})

    write(before, "1", "13a")
    save(repository)
    write(after, "1", "13a")
    body = against_main()
    assert ", significant**" in body and "### Faithfulness" in body and "gained and lost" in body
    write(after, *(("2", "13a") if unlike == "test data" else ("1", "zh")))
    body = against_main()
    [headline] = [line for line in body.splitlines() if line.startswith("**Tuned model")]
    assert f"other {unlike}: no verdict**" in headline
    bleu = body.split("### BLEU")[1].split("###")[0]
    assert "significant" not in bleu and "p =" not in bleu and "gained" not in body
    assert "| `tuned` | " in bleu
    # What the conversations hold has nothing to do with BLEU's tokenizer.
    assert ("### Faithfulness" in body) == (unlike != "test data")


@pytest.mark.parametrize("same", [True, False])
def test_conversations_cleaned_otherwise_are_one_test_by_their_references(repository, same):
    dep = {"path": "data/clean/test.parquet", "hash": "md5", "md5": "1" * 32}

    def write(tuned: int, constant: list[int], md5: str) -> None:
        write_metrics(repository, {f"test-{n}": tuned for n in range(40)})
        rows = [[f"test-{n}", "constant", *counts(constant[n])] for n in range(40)]
        with open(repository.root / "metrics/dialogues.csv", "a") as out:
            out.writelines(",".join(map(str, row)) + "\n" for row in rows)
        write_lock(repository, score={"cmd": "x", "deps": [dep | {"md5": md5 * 32}]})

    plain = [5 + n % 3 for n in range(40)]
    write(10, plain, "1")
    save(repository)
    write(18, plain if same else [*plain[1:], plain[0]], "2")
    body = against_main()
    assert (", significant**" in body) == same == (": no verdict**" not in body)
    assert ("differs in its conversations, and not in its references" in body) == same
    assert "### Faithfulness" not in body


def test_metrics_older_than_code_or_params_are_reported(repository):
    (repository.root / "stage.py").write_text("pass\n")
    stage = {
        "cmd": "x",
        "deps": [{"path": "stage.py", "hash": "md5", "md5": md5(b"pass\n")}],
        "params": {"params.yaml": {"finetune.epochs": 1}},
    }
    write_lock(repository, finetune=stage)
    save(repository)
    assert "older than" not in against_main()
    (repository.root / "stage.py").write_text("fail\n")
    assert "older than its params or code: `finetune` did not run since" in against_main()
    (repository.root / "stage.py").write_text("pass\n")
    (repository.root / "params.yaml").write_text("finetune: {epochs: 2}\n")
    assert "older than its params or code: `finetune` did not run since" in against_main()


def test_output_that_changed_without_a_cause_is_reported(repository):
    out = {"path": "models/adapter", "hash": "md5", "md5": "1" * 32}
    write_lock(repository, finetune={"cmd": "x", "outs": [out]})
    save(repository)
    write_lock(repository, finetune={"cmd": "x", "outs": [out | {"md5": "2" * 32}]})
    assert "| `finetune` | nothing it reads: another machine" in against_main()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metrics/score.json", "{"),
        ("metrics/score.json", "[]"),
        ("params.yaml", "a: [\n"),
        ("dvc.lock", "stages: [1]\n"),
        ("metrics/dialogues.csv", "id,system\na,tuned\n"),
    ],
)
def test_unreadable_files_are_named(repository, file, text):
    path = repository.root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UserError, match=file):
        against_main()


@pytest.mark.parametrize("name", ["--all", "a\0b"])
def test_name_of_a_commit_is_never_an_option_of_git(repository, name):
    with pytest.raises(UserError, match="is no commit of this clone"):
        commit(name)


@pytest.mark.parametrize("options", [[], ["--single-branch"], ["--depth", "1"]])
def test_advice_for_a_missing_commit_works_and_harms_no_clone(
    repository, options, tmp_path, monkeypatch
):
    """A depth makes a whole clone shallow, and the branch that is checked out takes no fetch."""
    repository.run("git", "commit", "-q", "--allow-empty", "-m", "y")
    url, clone = repository.root.as_uri(), tmp_path / "clone"
    repository.run("git", "clone", "-q", *options, url, str(clone))
    monkeypatch.chdir(clone)
    before = git("rev-list", "--count", "HEAD")
    repository.run("git", "branch", "new")
    with pytest.raises(UserError) as error:
        commit("new")
    advised = str(error.value).split("`")[1]
    assert ("--depth" in advised) == ("--depth" in options)
    subprocess.run(advised, shell=True, check=True, capture_output=True)
    assert commit("new").commit == commit("main").commit
    assert git("rev-list", "--count", "HEAD") == before
    with pytest.raises(UserError, match=r"is no commit of this clone$"):
        commit("HEAD~9")


def write_faithfulness(project: Project, values: dict[str, str]) -> None:
    """Add a measure to each dialogue of dialogues.csv; an empty one is not defined."""
    path = project.root / "metrics/dialogues.csv"
    header, *rows = path.read_text().splitlines()
    rows = [f"{row},{values[row.split(',')[0]]}" for row in rows]
    path.write_text("\n".join([f"{header},number_precision", *rows]) + "\n")


def faithful(project: Project, values: dict[str, str]) -> None:
    write_metrics(project, dict.fromkeys(values, 10))
    write_faithfulness(project, values)


def test_faithfulness_is_compared_where_it_is_defined(repository):
    ids = [f"d{i}" for i in range(60)]
    faithful(repository, {id_: "" if i % 2 else "50" for i, id_ in enumerate(ids)})
    save(repository)
    faithful(repository, {id_: "" if i % 2 else "100" for i, id_ in enumerate(ids)})
    body = against_main()
    assert "### Faithfulness" in body and "### BLEU" not in body
    [row] = [line for line in body.splitlines() if "`number_precision`" in line]
    assert "| 50.00 | 100.00 | +50.00 | +50.00 to +50.00 |" in row and "| significant |" in row


def test_faithfulness_of_few_dialogues_has_no_verdict(repository):
    ids = [f"d{i}" for i in range(60)]
    faithful(repository, {id_: "50" if i < 10 else "" for i, id_ in enumerate(ids)})
    save(repository)
    faithful(repository, {id_: "100" if i < 10 else "" for i, id_ in enumerate(ids)})
    assert "too few dialogues for a verdict" in against_main()
    # Defined on one side alone: there is no difference to show.
    faithful(repository, dict.fromkeys(ids, ""))
    assert "### Faithfulness" not in against_main()


def test_a_base_without_faithfulness_is_said(repository):
    write_metrics(repository, {"a": 10, "b": 10})
    save(repository)
    faithful(repository, {"a": "50", "b": "100"})
    assert "has no measures of faithfulness" in against_main()
