"""Run a layer at 200 lengths and at the first again; oneDNN prints what it compiles."""

import torch

import stages.model.loading  # noqa: F401  sets how many kernels are kept

if __name__ == "__main__":
    layer = torch.nn.Linear(64, 64, bias=False).bfloat16()
    with torch.no_grad():
        for length in (*range(16, 216), 16):
            layer(torch.zeros(1, length, 64, dtype=torch.bfloat16))
