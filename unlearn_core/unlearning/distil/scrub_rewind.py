from __future__ import annotations

import copy

import torch

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.distil.scrubbing import Scrubbing
from unlearn_core.unlearning.request import Batch, fetch


@spec
class ScrubRewind(Scrubbing):
    """SCRUB, then back to the epoch at which the forget set was forgotten just enough: the one whose error on the
    forget set is closest to the final model's error on validation images of the same classes.

    Source: Kurmanji et al. (2023), "Towards Unbounded Machine Unlearning", arXiv:2302.09880, SCRUB+R.
    Departs from the paper: as SCRUB here does; of epochs equally close the last is taken.
    """

    title = "SCRUB+R"
    group = "distil"
    needs = ("retain", "forget", "labels", "validation")

    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")

    def refuse(self, request):
        super().refuse(request)
        if len(_alike(request).y) == 0:
            raise BadValue(f"{self.title} needs validation images of the classes to forget, and there is none here.")

    def steps(self, request, context=None, model=None):
        before, epoch = [], 0
        for step in super().steps(request, context, model):
            if model is not None and step.epoch > epoch:
                before.append(copy.deepcopy(model).eval())
                epoch = step.epoch
            yield step
        if model is not None:  # all steps are taken
            _rewind(model, before, request)


def _alike(request) -> Batch:
    """Validation images of the classes to forget."""
    x, y = request.validation
    chosen = torch.isin(y, torch.tensor(request.forgotten_classes, device=y.device))
    return Batch(x[chosen], y[chosen])


def _rewind(model, before: list, request) -> None:
    """Put the model back to that state after an epoch whose error on the forget set is nearest to what it should be."""
    last = copy.deepcopy(model).eval()
    states, forget = [*before, last], fetch(request.x, request.y, request.forget)
    wanted = _error(last, _alike(request))
    _, _, chosen = min((abs(_error(state, forget) - wanted), -number, state) for number, state in enumerate(states))
    model.load_state_dict(chosen.state_dict())


@torch.no_grad()
def _error(model, batch: Batch) -> float:
    """The share of wrong answers."""
    wrong = [model(x).argmax(1) != y for x, y in zip(batch.x.split(256), batch.y.split(256), strict=True)]
    return float(torch.cat(wrong).double().mean())
