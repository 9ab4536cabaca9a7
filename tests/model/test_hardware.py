"""Device and dtype by what torch says of the machine. No GPU is needed: torch's answers are replaced."""

import pytest
import torch

from stages.common.cli import NO_KERNEL, UserError, missing_kernel, out_of_memory
from stages.model import hardware
from stages.model.hardware import Hardware, choose_hardware
from stages.model.loading import load_base
from stages.params import Params
from stages.training.arguments import training_arguments
from tests.helpers.faults import kernel_is_missing
from tests.helpers.project import tiny_params


@pytest.fixture
def machine(monkeypatch):
    """Makes torch say what kind of machine this is; tensors for its GPU are made on the CPU."""
    zeros = torch.zeros

    def make(device: str, bf16: bool = False, count: int = 1, macos: int = 15) -> None:
        for name in ("LOCAL_RANK", "PJRT_DEVICE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: device == "mps")
        monkeypatch.setattr(
            torch.backends.mps, "is_macos_or_newer", lambda major, _: macos >= major
        )
        for cpu in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, cpu, lambda: bf16)
        monkeypatch.setattr(torch, "zeros", lambda *size, device=None: zeros(*size))

    return make


@pytest.mark.parametrize(
    ("device", "bf16", "dtype", "reason"),
    [
        ("cpu", True, torch.bfloat16, "this CPU has bf16"),
        ("cpu", False, torch.float32, "this CPU has no bf16"),
        ("cuda", True, torch.bfloat16, "Tesla T4 has bf16"),
        ("cuda", False, torch.float16, "Tesla T4 has no bf16; training scales the loss"),
        ("mps", False, torch.float32, "Apple's GPU"),
    ],
)
def test_auto(machine, device, bf16, dtype, reason):
    machine(device, bf16)
    chosen = choose_hardware()
    assert (chosen.device, chosen.dtype) == (device, dtype) and reason in str(chosen)


def test_a_precision_that_is_asked_for(machine):
    machine("cuda")
    for name in ("fp32", "bf16", "fp16"):
        assert choose_hardware(name).dtype == hardware.DTYPES[name]
    for device, precision, macos in (("cpu", "fp16", 15), ("mps", "bf16", 13)):
        machine(device, macos=macos)
        with pytest.raises(UserError, match=f"model.precision is {precision}.*: set it to auto"):
            choose_hardware(precision)


def test_one_of_several_gpus_is_used_and_said(machine, capsys):
    machine("cuda", count=2)
    choose_hardware()
    captured = capsys.readouterr()
    launch = "run.launch: torchrun --nproc_per_node 2"
    assert captured.err == f"one of 2 GPUs is used; all are with {launch}\n"
    assert not captured.out  # where tools write summaries
    machine("cuda", count=1)  # as it is for each of the processes that torchrun starts
    choose_hardware()
    assert not capsys.readouterr().err


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_training_arguments_of_a_gpu(tmp_path, monkeypatch, dtype):
    from transformers import TrainingArguments, training_args

    def two_gpus(self):
        self._n_gpu = 2
        return torch.device("cuda:0")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(two_gpus))
    monkeypatch.setattr(training_args, "is_torch_bf16_gpu_available", lambda: True)
    params = Params.model_validate(tiny_params())
    arguments = training_arguments(params, Hardware("cuda", dtype, ""), tmp_path, 12)
    assert arguments.fp16 == (dtype == torch.float16)
    assert arguments.bf16 == (dtype == torch.bfloat16)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == params.finetune.per_device_train_batch_size


def test_quantised_bases_compute_in_the_precision_of_the_gpu(tiny_llama, monkeypatch):
    from stages.model import loading

    class Loads:
        @staticmethod
        def from_pretrained(*_, quantization_config, dtype, **__):
            raise OSError(f"{quantization_config.bnb_4bit_compute_dtype} {dtype}")

    monkeypatch.setattr(loading, "auto_class", lambda config: Loads)
    with pytest.raises(UserError, match=r"torch\.float16 torch\.float16"):
        load_base(tiny_llama, "nf4", Hardware("cuda", torch.float16, ""))
    with pytest.raises(UserError, match=r"quantization is nf4: not on Apple's GPUs, use none"):
        load_base(tiny_llama, "nf4", Hardware("mps", torch.float32, ""))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB, other allocations: 8 GB)"),
        torch.OutOfMemoryError("HIP out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("HIP error: out of memory"),
        RuntimeError("RESOURCE_EXHAUSTED: Error allocating device buffer"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"
        ),
    ],
    ids=str,
)
def test_memory_errors_by_any_name(error):
    assert out_of_memory(error)


def test_a_gpu_without_kernels_fails_when_it_is_chosen(machine, monkeypatch):
    def fails(*_, **__):
        raise torch.AcceleratorError("CUDA error: no kernel image is available for execution")

    machine("cuda")
    monkeypatch.setattr(torch, "zeros", fails)
    with pytest.raises(torch.AcceleratorError) as caught:
        choose_hardware()
    assert missing_kernel(caught.value) and not out_of_memory(caught.value)


@pytest.mark.parametrize("stage", ["finetune", "generate@base"])
def test_a_missing_kernel_is_one_sentence(forks, prepared, stage):
    ended = forks.run(prepared.root, stage, faults=[kernel_is_missing()])
    assert ended.status == 1
    assert ended.said.splitlines()[-1] == f"error: {NO_KERNEL}" and "Traceback" not in ended.said
