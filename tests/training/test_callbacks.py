"""What training says of the time that it will take."""

from types import SimpleNamespace

import pytest

from stages.training import callbacks


@pytest.mark.parametrize(
    ("resumed", "steps", "said"),
    [
        (0, 411, "finetune: about 20 min for the other 400 steps, and what evaluations take\n"),
        (380, 411, "finetune: about 60 s for the other 20 steps, and what evaluations take\n"),
        (0, 11, ""),
        (0, 6, ""),
    ],
)
def test_time_left_is_said_once_and_leaves_the_first_step_out(
    monkeypatch, capsys, resumed, steps, said
):
    now = 0.0
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now)
    told, state = callbacks.TimeLeft(), SimpleNamespace(global_step=resumed, max_steps=steps)
    told.on_train_begin(None, state, None)
    while state.global_step < steps:
        now += 90 if state.global_step == resumed else 3
        state.global_step += 1
        told.on_step_end(None, state, None)
    assert capsys.readouterr().out == said


def test_a_training_says_it(forks, prepared):
    prepared.params(**{"finetune.per_device_train_batch_size": 1, "finetune.num_train_epochs": 2})
    ended = forks.run(prepared.root, "finetune")
    assert ended.status == 0, ended.said
    assert "for the other 13 steps, and what evaluations take" in ended.said
