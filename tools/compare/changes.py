"""What differs between two revisions: metrics, params, and stages with the reason why."""

import json
from collections.abc import Callable

from ruamel.yaml import YAML, YAMLError

from stages.common.cli import UserError
from tools.compare.content import changed_files, dep_hash
from tools.compare.markdown import ABSENT
from tools.compare.revision import Revision

Change = tuple[str, object, object]  # dotted key, before, after


def parse(revision: Revision, path: str, reader: Callable) -> dict:
    """A file's mapping, empty where the revision lacks the file; UserError if it is none."""
    try:
        content = reader(revision.read(path) or b"{}")
    except (ValueError, YAMLError) as error:
        what = str(error).splitlines()[0]
        raise UserError(f"{path} of {revision} cannot be read: {what}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} of {revision} holds no mapping")
    return content


def read_yaml(content: bytes) -> object:
    """YAML 1.2 as DVC reads it: `2e-5` is a number."""
    return YAML(typ="safe", pure=True).load(content)


def metrics(revision: Revision) -> dict[str, object]:
    """Figures of metrics/*.json by file and key: `score.tuned.bleu`."""
    files = revision.inside("metrics", ".json")
    return flatten({path[8:-5]: parse(revision, path, json.loads) for path in files})


def params(revision: Revision) -> dict[str, object]:
    return flatten(parse(revision, "params.yaml", read_yaml))


def stages(revision: Revision) -> dict[str, dict]:
    """What dvc.lock says of each stage's last run."""
    found = parse(revision, "dvc.lock", read_yaml).get("stages", {})
    if not isinstance(found, dict) or not all(isinstance(s, dict) for s in found.values()):
        raise UserError(f"dvc.lock of {revision} holds no stages as DVC writes them")
    return found


def flatten(section: dict, prefix: str = "") -> dict[str, object]:
    """Leaves by dotted key; lists and empty mappings are leaves."""
    flat = {}
    for key, content in section.items():
        if isinstance(content, dict) and content:
            flat |= flatten(content, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = content
    return flat


def difference(before: dict[str, object], after: dict[str, object]) -> list[Change]:
    """Keys whose value is another, or is on one side only, in the order of `after`."""
    keys = dict.fromkeys([*after, *before])
    pairs = ((key, before.get(key, ABSENT), after.get(key, ABSENT)) for key in keys)
    # Text tells True from 1 and 1 from 1.0, as a reader of the file does.
    return [(key, old, new) for key, old, new in pairs if repr(old) != repr(new)]


def stage_changes(before: dict[str, dict], after: dict[str, dict]) -> dict[str, dict]:
    """Per changed stage: the params, deps and outs that differ, and `note` for the rest."""
    changed = {}
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            changed[name] = {"note": "new" if old is None else "gone"}
            continue
        parts = {
            "params": differing(stage_params(old), stage_params(new)),
            "deps": differing(hashes(old, "deps"), hashes(new, "deps")),
            "outs": differing(hashes(old, "outs"), hashes(new, "outs")),
            "note": "" if old.get("cmd") == new.get("cmd") else "another command",
        }
        if any(parts.values()):
            changed[name] = parts
    return changed


def differing(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [key for key, _, _ in difference(before, after)]


def stage_params(stage: dict) -> dict[str, object]:
    return flatten({k: v for file in (stage.get("params") or {}).values() for k, v in file.items()})


def hashes(stage: dict, kind: str) -> dict[str, str]:
    """Content hash of each dep or out by its path."""
    unrelated = ("path", "size", "nfiles", "hash", "isexec")
    return {
        entry["path"]: repr(sorted((k, v) for k, v in entry.items() if k not in unrelated))
        for entry in stage.get(kind) or []
    }


def producers(locked: dict[str, dict]) -> dict[str, str]:
    """Which stage makes each out."""
    return {out["path"]: name for name, stage in locked.items() for out in stage.get("outs") or []}


def stale(revision: Revision) -> list[str]:
    """Stages whose params, or files in Git, are no longer those of their run in dvc.lock."""
    now = params(revision)
    return [
        name
        for name, stage in stages(revision).items()
        if params_differ(stage, now) or code_differs(stage, revision)
    ]


def params_differ(stage: dict, now: dict[str, object]) -> bool:
    """Whether a key of the stage's sections is another, new or gone; 1 and 1.0 are one to DVC."""
    used = [key for file in (stage.get("params") or {}).values() for key in file]
    read = {k: v for k, v in now.items() if any(f"{k}.".startswith(f"{key}.") for key in used)}
    return read != stage_params(stage)


def code_differs(stage: dict, revision: Revision) -> bool:
    deps = [dep for dep in stage.get("deps") or [] if dep.get("hash") == "md5"]
    return any(dep_hash(revision, dep) not in (None, dep["md5"]) for dep in deps)


def dep_files(before: Revision, after: Revision, path: str, name: str) -> list[str]:
    """Files that differ in the folder `path`, a dep of the stage `name` in both revisions."""
    sides = [stages(revision)[name].get("deps") or [] for revision in (before, after)]
    found = [dep for deps in sides for dep in deps if dep["path"] == path and "md5" in dep]
    return changed_files(before, after, *found) if len(found) == 2 else []
