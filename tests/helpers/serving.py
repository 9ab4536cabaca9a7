"""`transformers serve` with the model that a project has exported to `exported`."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def serve(project, port: int, *options: str) -> subprocess.Popen:
    command = [Path(sys.executable).with_name("transformers"), "serve", "exported"]
    return subprocess.Popen(
        [*command, "--port", str(port), "--device", "cpu", *options],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 200
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
            return
        except OSError:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.1)
