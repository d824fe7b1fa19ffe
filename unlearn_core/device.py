"""Where models run: the device, the threads of a net, and what else the bits of a result go by."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import torch


def pick_device() -> torch.device:
    """The accelerator where there is one, else the CPU. UNLEARN_DEVICE overrides."""
    device = _device()
    if device.type == "cuda":
        # Else cuDNN rounds what convolutions are given to 10 bits, unasked: TF32. Who wants speed asks for bfloat16.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        # The same kernels every time, and no race between them. cuBLAS reads its setting when CUDA starts.
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return device


def _device() -> torch.device:
    if wanted := os.environ.get("UNLEARN_DEVICE"):
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


THREADS = torch.get_num_threads()  # torch's own choice for this machine
SMALL = 1_000_000  # parameters
FOR_ONEDNN = 16**3  # multiplications in a product; torch does not hand it smaller ones


def ready_for(model: torch.nn.Module) -> None:
    """Get this process ready to run a net: one thread for small ones, torch's own choice for large ones and for those
    with batch norm, the residual nets, whose few weights are used at every place of an image.

    A small net's steps are too short to share out: on a busy machine, two threads made them 5 to 50 times slower. Those
    of a ResNet-20 with 270,000 weights are 1.8 times faster with two.
    """
    shared_out = any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules())
    shared_out = shared_out or sum(p.numel() for p in model.parameters()) >= SMALL
    torch.set_num_threads(THREADS if shared_out else 1)
    keep_memory()


@cache
def keep_memory() -> None:
    """Let this process keep the memory that it frees, for good. glibc hands large blocks back at once, and what a step
    of a net needs is mapped and emptied anew at each step: a sixth of the training of a ResNet-20. Other systems'
    libraries are left as they are.
    """
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: blocks below this size are cut from the heap
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: so much may lie free at the end of the heap


@contextmanager
def fast_products(stacked: torch.nn.Module | None = None) -> Iterator[None]:
    """Have oneDNN multiply float32 matrices where it is as exact as MKL and faster: on AMD's processors with AVX-512,
    which MKL does not use there. Large products take half as long, those of many narrow matrices a fifth; a single
    small one takes 10 microseconds longer, so this is not for small nets on their own. oneDNN does it when told that it
    may round to bfloat16, and only a processor with AMX then rounds.

    With `stacked`, one of a stack of nets, nothing changes where its smallest product of two nets and one image is so
    small that torch would go by the size of the stack: a member's bits must not depend on who is beside it.
    """
    layers = [] if stacked is None else [m for m in stacked.modules() if isinstance(m, torch.nn.Linear)]
    products = torch.backends.mkldnn.matmul
    before = products.fp32_precision
    if onednn_is_faster() and all(2 * layer.weight.numel() > FOR_ONEDNN for layer in layers):
        products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


@cache
def onednn_is_faster() -> bool:
    """Whether `fast_products` has an effect here."""
    if "AMD" not in processor() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    products = torch.backends.mkldnn.matmul
    before, products.fp32_precision = products.fp32_precision, "bf16"
    try:
        return is_exact(torch.mm, (64, 256), (256, 256)) and is_exact(torch.bmm, (8, 64, 256), (8, 256, 16))
    finally:
        products.fp32_precision = before


def is_exact(product: Callable, *shapes: tuple[int, ...]) -> bool:
    """Whether a product of matrices of these shapes is as exact as float32 is; bfloat16 is 10,000 times further off."""
    draws = torch.Generator().manual_seed(0)
    a, b = (torch.rand(shape, generator=draws) for shape in shapes)
    true = a.double() @ b.double()
    return bool((product(a, b) - true).abs().max() <= 1e-5 * true.abs().max())


@contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """Let large nets have so many threads, for they round differently with another number of them."""
    global THREADS
    before, THREADS = THREADS, threads
    try:
        yield
    finally:
        THREADS = before


def numerics() -> dict:
    """What else the bits of a result go by, beside its spec and the versions of libraries, as plain JSON."""
    device = pick_device()
    found = {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": THREADS,  # of large nets; small ones have one
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "stacked_products": "onednn" if onednn_is_faster() else "blas",
        "batch_norm": "with the sum and ReLU after it",  # in bfloat16 on a CPU
    }
    on_cuda = {
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _said(Path("/sys/module/nvidia/version")),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
    }
    return found | (on_cuda if device.type == "cuda" else {})


def _said(file: Path) -> str:
    """What the system says in a small file; "" where it does not."""
    with suppress(OSError):
        return file.read_text().strip()
    return ""


@cache
def processor() -> str:
    """The model of this machine's processor; "" where the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
