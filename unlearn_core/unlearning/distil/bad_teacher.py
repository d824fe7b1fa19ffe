from __future__ import annotations

import copy

import torch

from unlearn_core.params import param, spec
from unlearn_core.unlearning.distances import kl
from unlearn_core.unlearning.distil.mixture import Mixture
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.layers import start_afresh


@spec
class BadTeacher(Mixture):
    """Learn the forget set from a net that knows nothing and some of the retain set from the original: loss = mean over
    the batch of KL(teacher || student), the teacher of each image its own.

    Source: Chundawat et al. (2023), "Can Bad Teaching Induce Forgetting? Unlearning in Deep Networks using an
    Incompetent Teacher", arXiv:2205.08096.
    Departs from the paper: KL is summed over the classes; the released code takes the mean over them too, which divides
    the loss by their number.
    """

    title = "Bad Teacher"
    group = "distil"
    needs = ("retain", "forget")
    adam = True
    grid = {"lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), "share": (0.3, 1.0)}

    epochs: int = param(3, 1, 200, help="passes over the data")
    lr: float = param(0.01, 1e-7, 10.0, log=True, help="learning rate")
    share: float = param(0.3, 0.0, 1.0, help="share of the retain set that it looks at")
    temperature: float = param(1.0, 0.1, 50.0, help="temperature T of the distillation")

    def context(self, model, original, request, cost):
        """The incompetent teacher."""
        teacher = copy.deepcopy(original)
        start_afresh(teacher, generator(request))
        return teacher.eval()

    def loss(self, model, original, step):
        given = [(t, batch.x) for t, batch in ((step.context, step.forget), (original, step.retain)) if batch]
        with torch.no_grad():
            teacher = torch.cat([teacher(x) for teacher, x in given])
        return kl(teacher, model(torch.cat([x for _, x in given])), self.temperature)

    def kept(self, request):
        return round(self.share * len(request.retain))
