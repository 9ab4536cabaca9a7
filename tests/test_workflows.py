"""The workflows are valid and safe, and the one that may write posts one comment and no more."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.helpers.project import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
COMMENT = yaml.safe_load((ROOT / ".github/workflows/comment.yml").read_text("utf-8"))
STEP = COMMENT["jobs"]["comment"]["steps"][0]
SHA = "a" * 40

# Answers the calls that the step makes from files, and notes what it would write.
GH = f"""#!{sys.executable}
import pathlib, sys
here = pathlib.Path(__file__).parent
*_, path = [a for a in sys.argv if a.startswith("repos/")]
if "--input" in sys.argv:
    body = pathlib.Path(sys.argv[sys.argv.index("--input") + 1]).read_text()
    method = sys.argv[sys.argv.index("-X") + 1]
    (here / "written").write_text(method + " " + path + "\\n" + body)
else:
    name = path.partition("?")[0].removeprefix("repos/o/r/").replace("/", "-")
    sys.stdout.buffer.write((here / name).read_bytes())
"""


def test_workflows_follow_the_schema():
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_are_safe():
    command = [BIN / "zizmor", "--offline", "--no-progress", "--persona=pedantic"]
    done = subprocess.run(
        [*command, "--strict-collection", ROOT / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_job_that_runs_no_code_may_write():
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text("utf-8"))
        triggers = workflow[True]  # YAML 1.1 reads `on` so
        assert workflow["permissions"] == {} and "pull_request_target" not in triggers
        for job in workflow["jobs"].values():
            assert "secrets." not in str(job)
            if "write" in job["permissions"].values():
                assert set(triggers) == {"workflow_run"}
                assert not any("uses" in step for step in job["steps"])


class Post:
    """One run of the posting step, with GitHub's answers as the test sets them."""

    def __init__(self, folder: Path):
        for tool in ("bash", "jq", "unzip"):
            if not shutil.which(tool):
                pytest.skip(f"{tool} is not installed; GitHub's runners have it")
        self.folder = folder
        (folder / "gh").write_text(GH)
        (folder / "gh").chmod(0o755)
        self.answer("pulls", [{"number": 7, "head": {"sha": SHA}}])
        self.answer("issues-7-comments", [])
        self.artifact(b"## What @someone changes\n")

    def answer(self, name: str, content: object) -> None:
        (self.folder / name).write_text(json.dumps(content))

    def artifact(self, content: bytes, name: str = "comment.md") -> None:
        file = self.folder / "actions-artifacts-5-zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        listed = {"id": 5, "name": "comment", "size_in_bytes": file.stat().st_size}
        self.answer("actions-runs-3-artifacts", {"artifacts": [listed]})

    def run(self) -> tuple[int, str | None]:
        """Exit status, and the request with which a comment was written."""
        given = {"REPO": "o/r", "RUN": "3", "SHA": SHA, "OWNER": "someone", "BRANCH": "x; exit 9"}
        given |= {key: str(STEP["env"][key]) for key in ("MARKER", "LONGEST")}
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "RUNNER_TEMP": str(self.folder), **given}
        done = subprocess.run(
            ["bash", "-c", STEP["run"]],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        written = self.folder / "written"
        return done.returncode, written.read_text() if written.exists() else None


@pytest.fixture
def post(tmp_path) -> Post:
    return Post(tmp_path)


def test_posts_one_comment_that_calls_nobody(post):
    status, written = post.run()
    request, body = written.split("\n", 1)
    assert (status, request) == (0, "POST repos/o/r/issues/7/comments")
    text = json.loads(body)["body"]
    assert text == f"{STEP['env']['MARKER']}\n## What @\u200bsomeone changes\n"


def test_updates_its_own_comment_and_no_other(post):
    marker = STEP["env"]["MARKER"]
    people = {"id": 1, "user": {"login": "someone"}, "body": f"{marker}\n"}
    other = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "something else"}
    own = {"id": 3, "user": {"login": "github-actions[bot]"}, "body": f"{marker}\nold"}
    post.answer("issues-7-comments", [people, other])
    assert post.run()[1].startswith("POST ")
    post.answer("issues-7-comments", [people, other, own])
    assert post.run()[1].startswith("PATCH repos/o/r/issues/comments/3\n")


def test_a_run_of_another_commit_posts_nothing(post):
    post.answer("pulls", [{"number": 7, "head": {"sha": "b" * 40}}])
    assert post.run() == (0, None)


@pytest.mark.parametrize("size", [0, 60_001, 50_000_000])  # the last packs into 50 kB
def test_an_artifact_of_no_fair_size_is_refused(post, size):
    post.artifact(b"x" * size)
    assert post.run() == (1, None)


def test_an_artifact_without_the_comment_is_refused(post):
    post.artifact(b"x", name="../comment.md")
    assert post.run() == (1, None)
