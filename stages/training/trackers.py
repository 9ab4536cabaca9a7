"""Experiment trackers, by the integrations that `transformers` has for its `Trainer`.

What they keep here is in the folder `runs`, which Git ignores. Each tracker's own environment
variables name another place, such as MLFLOW_TRACKING_URI a server.
"""

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from tqdm import tqdm
from transformers import TrainerCallback

from stages.common.cli import UserError
from stages.model import processes
from stages.params import Run

FOLDER = Path("runs")
PROJECT = "conversation-summarizer"
PACKAGES = {
    "tensorboard": "tensorboard==2.21.0",
    "mlflow": "mlflow-skinny==3.17.2",  # the full one needs an older pyarrow; this has all it takes
    "wandb": "wandb==0.31.0",
    "trackio": "trackio==0.43.0",
    "dvclive": "dvclive==3.49.1",
}
DEFAULTS = {  # of variables that the user has not set
    "tensorboard": {},
    "mlflow": {
        "MLFLOW_TRACKING_URI": "sqlite:///runs/mlflow.db",
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    },
    "wandb": {"WANDB_DIR": "runs", "WANDB_PROJECT": PROJECT, "WANDB_SILENT": "true"},
    "trackio": {"TRACKIO_DIR": "runs/trackio"},
    "dvclive": {},
}


def trackers(run: Run) -> list[str]:
    """The names in `run.report_to`."""
    names = [run.report_to] if isinstance(run.report_to, str) else run.report_to
    return [name for name in dict.fromkeys(names) if name != "none"]


def check_installed(run: Run) -> None:
    """Raise a `UserError` for the first tracker whose package is missing."""
    for name in trackers(run):
        if find_spec(name) is None:
            raise UserError(
                f"run.report_to names {name}, which is not installed: `pip install"
                f" {PACKAGES[name]}`, or take it out"
            )


def run_name(checkpoints: Path) -> str:
    """The experiment's name where DVC runs one, else that of the folder of checkpoints.

    A run that resumes has the same name.
    """
    return os.environ.get("DVC_EXP_NAME") or f"finetune-{checkpoints.name[:8]}"


class Tracker(TrainerCallback):
    """One tracker, in the first process alone.

    One that cannot start ends the run with a `UserError`. One that fails later is left out, for a
    training is worth more than its curves elsewhere.
    """

    def __init__(self, name: str):
        self.name, self.callback = name, None

    def on_train_begin(self, args, state, control, **kwargs):
        if not processes.is_first():
            return
        FOLDER.mkdir(exist_ok=True)
        for variable, value in DEFAULTS[self.name].items():
            os.environ.setdefault(variable, value)
        try:
            with redirect_stdout(StringIO()):  # some print how to look at a run: docs/training.md
                self.callback = integration(self.name)(**options(self.name, args, state))
                self.callback.on_train_begin(args, state, control, **kwargs)
        except Exception as error:  # noqa: BLE001, each tracker has its own
            raise UserError(f"run.report_to: {self.name} cannot start: {reason(error)}") from None
        print(f"finetune: {self.name} has this run as {args.run_name}", flush=True)

    def on_log(self, args, state, control, **kwargs):
        self.forward("on_log", args, state, control, **kwargs)

    def on_save(self, args, state, control, **kwargs):
        self.forward("on_save", args, state, control, **kwargs)

    def on_train_end(self, args, state, control, **kwargs):
        self.forward("on_train_end", args, state, control, **kwargs)
        if self.name == "wandb" and self.callback:
            import wandb

            wandb.finish()  # the integration leaves it open, and a ranking is a run of its own
        self.callback = None

    def forward(self, event: str, *args, **kwargs) -> None:
        if self.callback is None:
            return
        try:
            with redirect_stdout(StringIO()):
                getattr(self.callback, event)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001, each tracker has its own
            self.callback = None
            tqdm.write(f"finetune: {self.name} gets no more of this run: {reason(error)}")


def integration(name: str) -> Callable:
    from transformers.integrations.integration_utils import get_reporting_integration_callbacks

    (found,) = get_reporting_integration_callbacks([name])
    return found


def options(name: str, args, state) -> dict:
    """What the integration is given beside the environment: where a run is kept.

    DVCLive would write a dvc.yaml and save an experiment: here the pipeline does both.
    """
    folder = FOLDER / name / args.run_name
    if name == "tensorboard" and "TENSORBOARD_LOGGING_DIR" not in os.environ:
        from torch.utils.tensorboard import SummaryWriter

        return {"tb_writer": SummaryWriter(str(folder))}
    if name == "dvclive":
        from dvclive import Live

        resumed = state.global_step > 0
        return {"live": Live(str(folder), resume=resumed, save_dvc_exp=False, dvcyaml=None)}
    return {}


def reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
