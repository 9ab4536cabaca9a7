"""QLoRA and generation on one GPU: this pipeline's variants beside the plain recipe and TRL.

    python -m benchmarks.gpu_qlora            # one GPU of 24 GB or more, 14 GB of disk; two tables
    python -m benchmarks.gpu_qlora --cap-gb 24 --weights nf4 --training plain ours blocks
    python -m benchmarks.gpu_qlora --tiny     # a model of two layers, on a CPU too: whether it runs

Ours is the pipeline's own loader, LoRA, rows and collator: a dialogue's prompt once with all of its
references, logits where a token is predicted; a row a dialogue, or several packed into one of all
the step's tokens (`finetune.row_tokens`), under a dense mask or in blocks. The plain recipe makes a
row of each reference, shuffles, pads to the longest of the batch, and computes all logits. All take
the same weights (random), optimiser and tokens a step, padding included, but for `-2x`: twice the
tokens. A dialogue's useful tokens are its prompt, once, and its references. Weights are loaded in a
process of their own. A variant that fails, or whose package is missing, says so in its row.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import gpu_generation, gpu_training
from benchmarks.gpu_models import (
    QUANTIZATION,
    ROOT,
    cap_memory,
    machine,
    make_base,
    matmul_tflops,
)

LARGE = ("llama-2-7b", "smollm2-135m")
TABLES = {"training": gpu_training, "generation": gpu_generation}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_qlora")
    parser.add_argument("--tiny", action="store_true", help="a model of two layers")
    parser.add_argument("--step-tokens", type=int, default=4096, help="of a step, with padding")
    parser.add_argument("--steps", type=int, default=10, help="timed ones")
    parser.add_argument("--cap-gb", type=float, help="as if the card had so much memory")
    parser.add_argument("--weights", nargs="+", choices=QUANTIZATION, default=list(QUANTIZATION))
    parser.add_argument("--bases", type=Path, help="a folder that keeps the models for another run")
    for table, module in TABLES.items():
        names = list(module.VARIANTS)
        parser.add_argument(f"--{table}", nargs="*", choices=names, default=names)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)  # a table and a shape
    args = parser.parse_args()
    cap_memory(args.cap_gb)
    if args.child:
        table, shape = args.child
        if table == "training":
            gpu_training.compare(args.weights[0], args.training, args)
        else:
            gpu_generation.compare(shape, args.weights[0], args.generation, args)
        return
    shapes = ("tiny",) if args.tiny else LARGE
    product = matmul_tflops()
    print(f"{args.step_tokens} tokens a step; {machine()}; a product takes {product:.1f} TFLOP/s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.bases or Path(temporary)).resolve()
        for shape in shapes:
            make_base(folder / shape / "models/base", shape)
        if args.training:
            print(f"\n{shapes[0]} shape\n\n{gpu_training.HEADER}", flush=True)
            for weights in args.weights:
                run_child("training", shapes[0], weights, folder)
        if args.generation:
            print(f"\n{gpu_generation.HEADER}", flush=True)
            for shape in shapes:
                for weights in args.weights:
                    run_child("generation", shape, weights, folder)


def run_child(table: str, shape: str, weights: str, folder: Path) -> None:
    """The rows of one shape and its weights; what ends the process does not end the table."""
    command = [sys.executable, "-m", "benchmarks.gpu_qlora", *sys.argv[1:]]
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command += ["--weights", weights, "--child", table, shape]
    child = subprocess.run(command, cwd=folder / shape, env=environment, check=False)
    if child.returncode:
        print(f"| {shape} | {weights} | ended with status {child.returncode} |", flush=True)


if __name__ == "__main__":
    main()
