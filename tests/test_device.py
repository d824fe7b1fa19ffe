"""What a process is made ready with before it runs a net."""

import platform
import subprocess
import sys

import pytest
import torch

from unlearn_core import device
from unlearn_core.models import MODELS, Classifier

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
