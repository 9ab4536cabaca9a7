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
# The rooms that a script enters; training and generation may enter model, and all common.
ROOMS = {
    "fetch": {"sources"},
    "clean": {"cleaning"},
    "format_prompts": set(),
    "finetune": {"training", "model"},
    "generate": {"generation", "model"},
    "score": {"scoring"},
}
UNTRACKED = {"run", "card"}  # sections that change no output, see tests/pipeline/test_repro.py
# Read to tell where it differs from what the adapter carries; what is carried is used.
TOLD = {"stages/model/usage.py": {"clean"}}
MODULES = sorted(p for p in (ROOT / "stages").rglob("*.py") if p.stem != "__init__")
OUTSIDE = sorted(p for folder in ("tools", "benchmarks") for p in (ROOT / folder).rglob("*.py"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def room(file: Path) -> str:
    """`stages/model/loading.py` is in model, and `stages/clean.py` a room of its own, `clean`."""
    return file.relative_to(ROOT).with_suffix("").parts[1]


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> set[Path]:
    """Files of this repository that `file` imports anywhere in it."""
    names = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide from these tests"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {ROOT / (name.replace(".", "/") + ".py") for name in names}
    return {found for found in files if found.exists()}


def reach(file: Path) -> set[Path]:
    """`file`, what it imports, and what that imports, and so on."""
    found, todo = set(), {file}
    while todo:
        found |= todo
        todo = set().union(*map(imports, todo)) - found
    return found


def allowed(of: str) -> set[str]:
    """Rooms that a script or a module of a room may import."""
    if of in ("common", "params"):
        return {"common"}
    if of in ROOMS:
        return {*ROOMS[of], "common", "params"}
    return {of, "common", "params"} | ({"model"} if of in ("training", "generation") else set())


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


def stage_script(name: str) -> Path:
    return ROOT / f"stages/{name.partition('@')[0]}.py"


# The walls


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_imports_only_rooms_it_may_enter(file):
    assert {room(found) for found in imports(file)} <= allowed(room(file))


def test_no_stage_imports_tools_or_benchmarks():
    for file in MODULES:
        assert not any(found in OUTSIDE for found in imports(file)), file


@pytest.mark.parametrize("file", OUTSIDE, ids=name_of)
def test_tools_and_benchmarks_are_imported_by_their_own_kind_alone(file):
    for found in imports(file) & set(OUTSIDE):
        assert found.relative_to(ROOT).parts[0] == file.relative_to(ROOT).parts[0]


def test_rooms_hold_no_code_but_in_modules():
    # stages/__init__.py is no stage's dep: it waits for Ctrl-C and changes no result.
    assert not any(p.read_text() for p in (ROOT / "stages").glob("*/**/__init__.py"))


# Light stages


@pytest.mark.parametrize("stage", ["fetch", "clean", "format_prompts", "score"])
def test_light_stages_import_nothing_heavy_and_start_in_a_second(stage):
    code = f"import sys, time, stages.{stage}; print(time.process_time(), *sys.modules)"
    seconds = []
    for _ in range(3):  # the best of three, for what else the machine does slows a start down
        busy, *modules = python("-c", code).stdout.split()
        seconds.append(float(busy))
        if seconds[-1] < 1:
            break
    assert f"stages.{stage}" in modules
    assert not set(modules) & HEAVY
    assert min(seconds) < 1


# Length


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_is_short(file):
    lines = len(file.read_text(encoding="utf-8").splitlines())
    # params.py is a list: a class a section, a line a key.
    assert lines <= (420 if room(file) == "params" else 200)


@pytest.mark.parametrize("script", ROOMS)
def test_main_fits_on_a_screen(script):
    [main] = [
        node
        for node in tree(ROOT / f"stages/{script}.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    lines = main.end_lineno - main.lineno + 1
    assert lines <= 40


def test_dvc_yaml_is_short():
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 140


# dvc.yaml


def test_every_stage_script_is_in_the_pipeline():
    scripts = {file.stem for file in MODULES if file.parent == ROOT / "stages"} - {"params"}
    assert scripts == set(ROOMS) == {name.partition("@")[0] for name in EXPANDED}
    for name, stage in EXPANDED.items():
        script, _, key = name.partition("@")
        assert stage["cmd"] == f"python -m stages.{script} {key}".strip()


@pytest.mark.parametrize("name", EXPANDED)
def test_a_stage_depends_on_its_script_and_on_the_rooms_it_reaches(name):
    script = stage_script(name)
    rooms = {room(file) for file in reach(script)} - {script.stem, "params"}
    needed = {name_of(script), *(f"stages/{one}" for one in rooms)}
    assert {dep for dep in EXPANDED[name]["deps"] if dep.startswith("stages/")} == needed


def test_compiled_files_are_in_no_folders_hash():
    assert "__pycache__" in (ROOT / ".dvcignore").read_text().splitlines()


def is_load(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load"


def elements(node: ast.AST) -> list[ast.AST]:
    return node.elts if isinstance(node, ast.Tuple) else []


def is_params(node: ast.AST) -> bool:
    """Whether an expression is `params`, or `load()` itself."""
    return is_load(node) or (isinstance(node, ast.Name) and node.id == "params")


def sections_read(file: Path) -> Iterator[str]:
    """Sections of params.yaml that a module takes out of a `Params`, which is called `params`."""
    everything = False  # whether `params` is a `Params` here, not a section of it
    for node in ast.walk(tree(file)):
        everything |= isinstance(node, ast.Assign) and is_load(node.value)
        everything |= isinstance(node, ast.arg) and ast.unparse(node) == "params: Params"
        if isinstance(node, ast.arg) and ast.unparse(node.annotation or node) == "Params":
            assert node.arg == "params", f"{file}: {node.arg} is a Params under another name"
        if isinstance(node, ast.Assign) and any(map(is_load, [node.value, *elements(node.value)])):
            names = {ast.unparse(one) for target in node.targets for one in ast.walk(target)}
            assert "params" in names, f"{file}: what load() gives has another name"
        if isinstance(node, ast.Attribute) and is_params(node.value) and node.attr in PARAMS:
            yield node.attr
        dumps = isinstance(node, ast.Call) and ast.unparse(node.func) == "params.model_dump"
        if everything and dumps:
            texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
            yield from (texts & set(PARAMS) or set(PARAMS))


@pytest.mark.parametrize("name", EXPANDED)
def test_a_stages_params_are_the_sections_that_it_reads(name):
    script, _, key = name.partition("@")
    files = reach(stage_script(name))
    found = [set(sections_read(file)) - TOLD.get(name_of(file), set()) for file in files]
    read = set().union(*found) - UNTRACKED
    # fetch takes its own half of a section, by its argument.
    assert set(EXPANDED[name]["params"]) == ({f"fetch.{key}"} if script == "fetch" else read)
    assert read == {"fetch"} or script != "fetch"


def test_every_section_is_some_stages():
    listed = {param.split(".")[0] for stage in EXPANDED.values() for param in stage["params"]}
    assert listed == set(PARAMS) - UNTRACKED
    assert {f"fetch.{key}" for key in PARAMS["fetch"]} == {
        param for stage in EXPANDED.values() for param in stage["params"] if "." in param
    }


def test_outputs_meet_inputs():
    """What a stage reads of data, models and metrics is another's output, or was given."""
    outs = {out for stage in EXPANDED.values() for out in stage.get("outs", [])}
    given = {PARAMS["fetch"]["dataset"]["path"], PARAMS["fetch"]["model"]["path"]}
    for name, stage in EXPANDED.items():
        for dep in stage["deps"]:
            parents = {str(parent) for parent in (Path(dep), *Path(dep).parents)}
            assert dep.startswith("stages/") or parents & (outs | given), (name, dep)


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
