"""The newest checkpoint from which a training run can resume."""

import json
from pathlib import Path

from stages.common.atomic_io import remove
from stages.common.resuming import is_complete


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in `folder`, or None; prints which.

    The best checkpoint so far, which it refers to, must be complete too. Newer checkpoints that do
    not qualify are removed.
    """
    found = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()]
    for checkpoint in sorted(found, key=lambda path: -int(path.name[11:])):
        if is_complete(checkpoint):
            state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
            best = state["best_model_checkpoint"]
            if best is None or is_complete(Path(best)):
                print(f"finetune: resuming from {checkpoint}", flush=True)
                return checkpoint
        print(f"finetune: {checkpoint} is damaged or half-written: skipped and removed", flush=True)
        remove(checkpoint)
    return None
