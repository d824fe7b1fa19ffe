"""What every unlearning algorithm shares.

An algorithm is a frozen spec: its fields are its hyperparameters, calling it unlearns. The base refuses a request that
lacks what the algorithm needs, copies the model, and counts the cost. Most algorithms derive from GradientUnlearner
(descent.py) and only say their loss.
"""

from __future__ import annotations

import copy
import resource
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch

from unlearn_core.device import fast_products
from unlearn_core.params import BadValue, Spec
from unlearn_core.unlearning.request import NEEDS, Request


@dataclass
class Cost:
    """What a run cost. Gradient evaluations count images that went through a backward pass; a product of the Hessian
    with a vector counts as two.
    """

    seconds: float = 0.0
    forget_gradients: int = 0
    retain_gradients: int = 0
    validation_gradients: int = 0
    steps: int = 0
    peak_megabytes: float = 0.0
    diverged_at: int | None = None  # the step at which the loss was no longer finite
    notes: dict[str, float] = field(default_factory=dict)  # other numbers to be shown, by a few words each

    def add(self, later: Cost) -> None:
        """Count a run that came after this one; its steps are numbered on."""
        if later.diverged_at is not None and self.diverged_at is None:
            self.diverged_at = self.steps + later.diverged_at
        self.seconds += later.seconds
        self.forget_gradients += later.forget_gradients
        self.retain_gradients += later.retain_gradients
        self.validation_gradients += later.validation_gradients
        self.steps += later.steps
        self.peak_megabytes = max(self.peak_megabytes, later.peak_megabytes)
        for name, value in later.notes.items():
            again = sum(known.partition(" (run ")[0] == name for known in self.notes)
            self.notes[f"{name} (run {again + 1})" if again else name] = value


@dataclass(frozen=True)
class Unlearned:
    """The unlearned model, in eval mode, every parameter finite, and what it cost. Where a run diverged it is the last
    finite state there was, which may be the original.
    """

    model: torch.nn.Module
    cost: Cost


class Unlearner(Spec):
    """Base of all algorithms: `unlearner(original, request)` returns the unlearned model; the original stays as is.

    `scope` says what it is for: "samples" from anywhere, whole "classes", or "both". `needs` are words of NEEDS: it
    never looks at what it does not name. `reconstruction` and `caution` are a sentence each for whoever chooses it:
    what the source does not say and this file assumes; what its results must not be taken for. `grid` is what the
    search for defaults tries: field -> values.
    """

    title: ClassVar[str]
    group: ClassVar[str]
    scope: ClassVar[str] = "both"
    needs: ClassVar[tuple[str, ...]] = ("retain", "forget", "labels")
    reconstruction: ClassVar[str] = ""
    caution: ClassVar[str] = ""
    grid: ClassVar[dict[str, tuple]] = {}
    ensemble: ClassVar[bool] = False  # whether the result is several models that vote
    large_products: ClassVar[bool] = False  # whether it multiplies all images at once, where others take a batch

    def refuse(self, request: Request) -> None:
        """Raises BadValue, one sentence, where the request lacks what the algorithm needs."""
        for need in self.needs:
            if (lack := request.lacks(need)) is not None:
                raise BadValue(f"{self.title} needs {lack}.")

    def __call__(self, original: torch.nn.Module, request: Request) -> Unlearned:
        self.refuse(request)
        started, cost = time.perf_counter(), Cost()
        if request.x.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(request.x.device)
        model = copy.deepcopy(original).requires_grad_(True)
        with fast_products() if self.large_products else nullcontext():
            model = self.run(model, original, request, cost).eval()
        if not finite(model):  # one step was one too many
            model, cost.diverged_at = copy.deepcopy(original).eval(), max(cost.steps, 1)
        model.requires_grad_(True).zero_grad(set_to_none=True)  # the last step's gradients are as large as the model
        cost.seconds = time.perf_counter() - started
        cost.peak_megabytes = peak_megabytes(request.x.device)
        return Unlearned(model, cost)

    def run(self, model, original, request: Request, cost: Cost) -> torch.nn.Module:
        """Change `model`, a copy of `original`, and return it."""
        raise NotImplementedError


def finite(model: torch.nn.Module) -> bool:
    """Whether every number of the model is one."""
    return all(bool(torch.isfinite(v).all()) for v in model.state_dict().values())


def peak_megabytes(device: torch.device) -> float:
    """The most memory used on the device: on a GPU since the run began, on a CPU by this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    # What the resource limits count holds the memory of whoever started this process too, so only where the system says
    # nothing of the program alone.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


__all__ = ["NEEDS", "Cost", "Request", "Unlearned", "Unlearner", "finite", "peak_megabytes"]
