"""Write a preset over params.yaml, and show what it changed.

    python -m tools.preset llama2-7b-tweetsumm        # or: make preset NAME=llama2-7b-tweetsumm

A preset is a file of `presets/`: a part of params.yaml, set over it leaf by leaf; every other leaf
and all comments stay. Its key `presets`, if any, lists presets to write first. A preset that names
a dataset, or a model, sets all that these need, so no other preset's value is left in it. The
result is validated whole before anything is written.
"""

import difflib
import io
import sys
from pathlib import Path

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError, run
from stages.params import load

PRESETS = Path("presets")
PARAMS = Path("params.yaml")
# Keys whose own keys are the user's: set as they are, not leaf by leaf.
MAPPINGS = {("clean", "roles"), ("clean", "redaction", "patterns")}


def main() -> None:
    if len(sys.argv) != 2:
        raise UserError(f"usage: python -m tools.preset NAME, one of {', '.join(names())}")
    write(sys.argv[1])


def write(name: str) -> None:
    """Write the preset over params.yaml and print what that changed; on an error nothing is."""
    load(PARAMS)  # a broken file is told before a preset is blamed for it
    before = PARAMS.read_text(encoding="utf-8")
    after = apply(name, before)
    with atomic_write(PARAMS) as aside:
        aside.write_text(after, encoding="utf-8")
        try:
            load(aside)
        except UserError as error:
            reason = str(error).removeprefix(f"{aside}: ")
            raise UserError(f"preset {name}: {reason}; {PARAMS} is as it was") from None
    changed = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), "before", "after", n=0
    )
    sys.stdout.writelines(changed)
    print(f"preset: {name}: {'written' if after != before else 'already so, nothing changed'}")


def save(name: str, text: str) -> None:
    """Add a file to the presets."""
    with atomic_write(PRESETS / f"{name}.yaml") as aside:
        aside.write_text(text, encoding="utf-8")


def names() -> list[str]:
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def apply(name: str, text: str) -> str:
    """`text`, a params.yaml, with the preset and those it names set over it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long sentence stays on its line
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(  # as the file has it, not as an empty place
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    params = yaml.load(text)
    for layer in layers(name):
        merge(params, layer, ())
    out = io.StringIO()
    yaml.dump(params, out)
    return out.getvalue()


def layers(name: str, above: tuple[str, ...] = ()) -> list[dict]:
    """The preset's content after the contents of those it names."""
    if name not in names():
        raise UserError(f"there is no preset {name}: there are {', '.join(names())}")
    if name in above:
        raise UserError(f"presets {' and '.join(above)} name one another")
    file = need(PRESETS / f"{name}.yaml", "name a preset")
    try:
        layer = YAML().load(file.read_text(encoding="utf-8"))
    except (YAMLError, ValueError):
        raise UserError(f"{file} is not valid YAML") from None
    if not isinstance(layer, dict):
        raise UserError(f"{file} must hold a part of {PARAMS}")
    first = layer.pop("presets", [])
    if not isinstance(first, list):
        raise UserError(f"{file}: presets must be a list of names")
    return [part for other in first for part in layers(other, (*above, name))] + [layer]


def merge(params: CommentedMap, layer: dict, path: tuple[str, ...]) -> None:
    """Set the leaves of `layer` in `params`, in place, so that comments stay."""
    for key, value in layer.items():
        if key not in params:
            raise UserError(f"a preset sets {'.'.join((*path, key))}, which {PARAMS} does not have")
        nested = isinstance(value, dict) and isinstance(params[key], dict)
        if nested and (*path, key) not in MAPPINGS:
            merge(params[key], value, (*path, key))
        elif params[key] != value:
            params[key] = value


if __name__ == "__main__":
    run(main)
