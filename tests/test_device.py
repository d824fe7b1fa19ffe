"""What a process is made ready with before it runs a net."""

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from unlearn_core import device
from unlearn_core.models import MODELS, Classifier
from unlearn_core.unlearning import FineTune, LangevinHead, Request

STEPS = """
import resource, sys
import torch
from unlearn_core.device import ready_for

if sys.argv[1] == "ready":
    ready_for(torch.nn.Linear(2, 2))
pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step = lambda: torch.zeros(48 * 2**20, dtype=torch.uint8)
for _ in range(20):
    step()
before = pages()
for _ in range(10):
    step()
print(pages() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep memory by rules of their own")
def test_a_process_that_runs_nets_is_not_given_its_memory_anew_at_every_step():
    """Ten steps of 48 MB each: 120,000 pages of 4 kB, where nothing is kept."""
    as_it_is, ready = (
        int(subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, check=True, text=True).stdout)
        for how in ("as it is", "ready")
    )
    assert ready < as_it_is / 10


@pytest.mark.parametrize(("name", "threads"), [("mlp", 1), ("cnn", 1), ("resnet20", 3), ("resnet9", 3)])
def test_nets_whose_steps_are_short_have_one_thread(name, threads, monkeypatch):
    monkeypatch.setattr(device, "THREADS", 3)
    model = Classifier(*MODELS[name].make(10, (3, 32, 32), 16), [0.5] * 3, [0.5] * 3)
    before = torch.get_num_threads()
    try:
        device.ready_for(model)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


# -- products of matrices ----------------------------------------------------------------------------------------------


def rounding() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


def test_fast_products_are_exact_and_end(monkeypatch):
    """Here as they are, and as on a processor on which nothing speaks against them."""
    before, a, b = rounding(), torch.rand(8, 64, 256), torch.rand(8, 256, 64)
    with pytest.raises(ZeroDivisionError), device.fast_products():
        found = torch.bmm(a, b)
        1 / 0  # noqa: B018
    assert rounding() == before
    torch.testing.assert_close(found.double(), a.double() @ b.double(), rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(device, "onednn_is_faster", lambda: True)
    with device.fast_products():
        assert rounding() == "bf16"
        with device.fast_products(torch.nn.Linear(64, 33)):
            assert rounding() == "bf16"
    assert rounding() == before


def test_small_nets_of_a_stack_are_multiplied_as_ever(monkeypatch):
    """Else torch would go by how many there are."""
    monkeypatch.setattr(device, "onednn_is_faster", lambda: True)
    before = rounding()
    with device.fast_products(torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 32))):
        assert rounding() == before


def test_a_product_that_rounds_is_found_out():
    half = lambda a, b: (a.bfloat16() @ b.bfloat16()).float()  # noqa: E731
    kept = lambda a, b: a.bfloat16().float() @ b.bfloat16().float()  # noqa: E731 - as AMX does: only what goes in
    assert device.is_exact(torch.mm, (64, 256), (256, 256))
    assert not device.is_exact(half, (64, 256), (256, 256)) and not device.is_exact(kept, (64, 256), (256, 256))


@pytest.mark.parametrize(("name", "capability"), [("Intel(R) Xeon(R)", "AVX512"), ("AMD EPYC", "AVX2"), ("", "AVX512")])
def test_other_processors_multiply_as_ever(monkeypatch, name, capability):
    monkeypatch.setattr(device, "processor", lambda: name)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert not device.onednn_is_faster.__wrapped__() and rounding() != "bf16"


def test_a_processor_that_would_round_multiplies_as_ever(monkeypatch):
    monkeypatch.setattr(device, "processor", lambda: "AMD EPYC")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    before = rounding()
    for exact in (True, False):
        monkeypatch.setattr(device, "is_exact", lambda *_, exact=exact: exact)
        assert device.onednn_is_faster.__wrapped__() == exact and rounding() == before


def test_an_algorithm_that_multiplies_all_images_at_once_has_fast_products(monkeypatch):
    monkeypatch.setattr(device, "onednn_is_faster", lambda: True)
    seen, before, net = {}, rounding(), Classifier(torch.nn.Flatten(), torch.nn.Linear(64, 2), [0.5], [0.5])
    request = Request(
        torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2, np.array([0]), np.arange(1, 4), 2
    )
    for cls in (LangevinHead, FineTune):
        monkeypatch.setattr(cls, "run", lambda self, model, *_: seen.update({type(self): rounding()}) or model)
        cls()(net, request)
    assert seen == {LangevinHead: "bf16", FineTune: before} and rounding() == before
