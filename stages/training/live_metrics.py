"""The metrics so far, while training goes on: for `dvc exp show`, `dvc plots` and editors."""

from pathlib import Path

from transformers import TrainerCallback

from stages.model import processes
from stages.training import metrics


class LiveMetrics(TrainerCallback):
    """Writes `finetune.json` and the loss curves at each log.

    The end of the stage writes them last. Until then `in_progress` is in `finetune.json`, also after an
    interruption, so that nobody takes it for a result. The metrics of a complete training, which DVC
    removes before it runs the stage, are not written over.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        file = folder / "finetune.json"
        self.writes = not file.exists() or b'"in_progress"' in file.read_bytes()

    def on_log(self, args, state, control, **_):
        if processes.is_first() and self.writes:
            figures = {"in_progress": True} | metrics.so_far(state)
            metrics.write(self.folder, figures, metrics.curves(state))
