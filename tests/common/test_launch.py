"""The exit status of a stage that runs as several processes."""

import signal
import subprocess
import sys

# On SIGINT one process is gone before it could say so. torchrun ends the other one by SIGTERM, and
# that one's words are there.
COMMAND = """
import json, os, signal, time
from stages.common.cli import LAST_WORDS
def stop(number, _frame):
    path = os.environ[LAST_WORDS]
    with open(path + ".part", "w") as out:
        json.dump({"message": "interrupted at step 3", "status": 128 + signal.SIGTERM}, out)
    os.replace(path + ".part", path)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
time.sleep(60)
"""
STAGE = """
import sys
from pathlib import Path
from stages.common.launch import wait
print(*wait([sys.executable, "-c", sys.argv[1]], "torchrun", Path(sys.argv[2])), sep="\\n")
"""


def test_ctrl_c_is_the_status_whatever_ended_the_processes(tmp_path):
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, COMMAND, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert stage.stdout.readline() == "ready\n"
    stage.send_signal(signal.SIGINT)
    said, _ = stage.communicate(timeout=50)
    assert said.splitlines() == [str(128 + signal.SIGINT), "interrupted at step 3"]
