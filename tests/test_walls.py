"""Who may import whom, and whether dvc.yaml knows of everything that a stage reads."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.helpers.data import ROOT, python

HEAVY = {"torch", "transformers", "datasets", "peft", "accelerate", "evaluate"}
STAGES = sorted(p for p in (ROOT / "stages").glob("*.py") if p.stem != "__init__")
COMMON = sorted(p for p in (ROOT / "stages/common").glob("*.py") if p.stem != "__init__")
TOOLS = sorted(p for p in (ROOT / "tools").rglob("*.py") if p.stem != "__init__")
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def nodes(tree: ast.AST, skipped: frozenset[str]) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.FunctionDef) and child.name in skipped):
            yield child
            yield from nodes(child, skipped)


@cache
def imports(file: Path, skipped: frozenset[str] = frozenset()) -> set[Path]:
    """Files of this repository that `file` imports, anywhere but in the functions `skipped`."""
    names = set()
    for node in nodes(ast.parse(file.read_text(encoding="utf-8")), skipped):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide from these tests"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {ROOT / (name.replace(".", "/") + ".py") for name in names}
    return {found for found in files if found.exists()}


def reach(file: Path, skipped: frozenset[str] = frozenset()) -> set[Path]:
    """What `file` imports, and what that imports, and so on."""
    found, todo = set(), imports(file, skipped)
    while todo:
        found |= todo
        todo = set().union(*map(imports, todo)) - found
    return found


def flatten(section: dict, prefix: str = "") -> dict[str, object]:
    """Every node of nested dicts by its dotted key."""
    flat = {}
    for key, value in section.items():
        flat[prefix + key] = value
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
    return flat


def expand() -> dict[str, dict]:
    """The stages of dvc.yaml with `foreach` unrolled and `${…}` filled in."""

    def fill(value: object, known: dict) -> object:
        if isinstance(value, dict):
            return {fill(k, known): fill(v, known) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(item, known) for item in value]
        if isinstance(value, str):
            return re.sub(r"\$\{([\w.]+)\}", lambda match: str(known[match[1]]), value)
        return value

    known, stages = flatten(PARAMS), {}
    for name, stage in DVC["stages"].items():
        if "foreach" not in stage:
            stages[name] = fill(stage, known)
            continue
        for key, item in stage["foreach"].items():
            item = fill(item, known)
            stages[f"{name}@{key}"] = fill(
                stage["do"], known | {"key": key} | flatten(item, "item.")
            )
    return stages


EXPANDED = expand()


@pytest.mark.parametrize("file", STAGES, ids=lambda p: p.stem)
def test_stages_import_only_common(file):
    assert imports(file)
    assert imports(file) <= set(COMMON)


@pytest.mark.parametrize("file", COMMON, ids=lambda p: p.stem)
def test_common_imports_no_stage(file):
    assert imports(file) <= set(COMMON)


@pytest.mark.parametrize("file", TOOLS, ids=lambda p: str(p.relative_to(ROOT / "tools")))
def test_tools_import_only_common_and_their_own_package(file):
    assert imports(file) - own(file) <= set(COMMON)


def test_nothing_imports_tools():
    for file in STAGES + COMMON + TOOLS + BENCHMARKS:
        assert not (imports(file) - own(file)) & set(TOOLS), file


def own(file: Path) -> set[Path]:
    """The modules of a tool that is a package of several files."""
    return set() if file.parent == ROOT / "tools" else set(file.parent.glob("*.py"))


@pytest.mark.parametrize("stage", ["fetch", "clean", "format_prompts", "score"])
def test_light_stages_import_nothing_heavy(stage):
    code = f"import sys, stages.{stage}; print(*sys.modules)"
    modules = set(python("-c", code).stdout.split())
    assert f"stages.{stage}" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("name", EXPANDED)
def test_stage_depends_on_its_code_and_no_other(name):
    stage, _, key = name.partition("@")
    script = ROOT / f"stages/{stage}.py"
    assert EXPANDED[name]["cmd"] == f"python -m stages.{stage} {key}".strip()
    # `fetch@model` runs nothing of `fetch_dataset`, so what that imports is none of its concern.
    others = {f"{stage}_{other}" for other in DVC["stages"][stage].get("foreach", ())} - {
        f"{stage}_{key}"
    }
    needed = {script, *reach(script, frozenset(others))}
    listed = {ROOT / dep for dep in EXPANDED[name]["deps"] if dep.endswith(".py")}
    assert {str(p.relative_to(ROOT)) for p in listed} == {str(p.relative_to(ROOT)) for p in needed}


def test_every_stage_script_is_in_the_pipeline():
    assert {name.partition("@")[0] for name in EXPANDED} == {file.stem for file in STAGES}


def test_packages_hold_no_code_that_deps_would_miss():
    assert not any(p.read_text() for p in (ROOT / "stages").rglob("__init__.py"))


def test_every_param_is_some_stages():
    keys = flatten(PARAMS)
    listed = {param for stage in EXPANDED.values() for param in stage["params"]}
    assert listed <= set(keys)
    leaves = {key for key, value in keys.items() if not isinstance(value, dict)}
    covered = {leaf for leaf in leaves for key in listed if f"{leaf}.".startswith(f"{key}.")}
    assert leaves - covered == set()


def test_outputs_meet_inputs():
    """What a stage reads of data, models and metrics is another's output, or was given."""
    outs = {out for stage in EXPANDED.values() for out in stage.get("outs", [])}
    given = {PARAMS["fetch"]["dataset"]["path"], PARAMS["fetch"]["model"]["path"]}
    for name, stage in EXPANDED.items():
        for dep in stage["deps"]:
            parents = {str(parent) for parent in (Path(dep), *Path(dep).parents)}
            assert dep.endswith(".py") or parents & (outs | given), (name, dep)


def test_metrics_and_plots_are_in_git_and_nothing_persists():
    entries = [
        entry
        for stage in EXPANDED.values()
        for entry in stage.get("metrics", []) + stage.get("plots", [])
    ]
    assert len(entries) >= 4
    for entry in entries:
        assert isinstance(entry, dict), f"{entry}: say cache: false"
        assert [options["cache"] for options in entry.values()] == [False]
    assert "persist" not in str(DVC)
