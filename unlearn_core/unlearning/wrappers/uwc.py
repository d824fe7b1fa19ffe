from __future__ import annotations

import torch

from unlearn_core.params import BadValue, param, spec
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.mixing import CHUNK, largest_mix, mixed, refresh_batch_norm, retained_images, same_shapes
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus


@spec
class UWC(Unlearner):
    """Run an algorithm and mix its result with the original, so far back that a given share of the original's accuracy
    on unseen images is reached: then algorithms compare by what they forget alone.

    mix(alpha) = original + alpha (unlearned - original), with BatchNorm statistics taken anew on retain images. Alpha
    is the largest with accuracy(mix) >= tau accuracy(original) on the validation images: 11 points first, then
    bisection in 12 steps. Where a point that meets the bar comes after one that does not, the models do not mix: alpha
    stays 1, and the cost notes "not mixable". The alpha used is a note too.

    Source: Wang et al. (2025), "Towards Effective Evaluations and Comparisons for LLM Unlearning Methods",
    arXiv:2406.09179.
    Departs from the paper: accuracy takes the place of measures of language models; of classes that go, none counts.
    """

    title = "UWC"
    group = "wrappers"
    needs = ("retain", "forget", "labels", "validation")
    reconstruction = "Reconstruction: the paper is about language models; accuracy stands for its measures here."
    caution = "Mixing with the original brings back part of what was forgotten."

    inner: Unlearner = param(NegGradPlus(), help="the algorithm whose result is mixed")
    calibrate: bool = param(True, help="find alpha by the accuracy on validation images")
    retention: float = param(0.95, 0.0, 1.0, help="share tau of the original's accuracy that must be kept")
    alpha: float = param(1.0, 0.0, 1.0, help="how far towards the unlearned model, where it is not found")

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.inner, UWC):
            raise BadValue("UWC cannot hold itself: choose another algorithm inside.")
        own = {"retain", "labels"} | ({"validation"} if self.calibrate else set())
        object.__setattr__(self, "needs", tuple(sorted(own | set(self.inner.needs))))

    def refuse(self, request):
        super().refuse(request)
        self.inner.refuse(request)

    def run(self, model, original, request, cost):
        unlearned = self.inner(original, request)
        cost.add(unlearned.cost)
        found, alpha = self.blend(original, unlearned.model, request)
        cost.notes |= {"not mixable": 1.0, "alpha": 1.0} if alpha is None else {"alpha": alpha}
        return found

    def blend(self, original, unlearned, request) -> tuple[torch.nn.Module, float | None]:
        """(the mix, its alpha) of two models; the unlearned one, and None, where they do not mix."""

        def mix(alpha):
            between = mixed(original, unlearned, alpha)
            if 0 < alpha < 1:
                refresh_batch_norm(between, retained_images(request))
            return between.eval()

        if not same_shapes(original, unlearned):  # an ensemble has other weights
            return unlearned, None
        alpha = self._largest(mix, request) if self.calibrate else self.alpha
        return mix(1.0 if alpha is None else alpha), alpha

    @torch.no_grad()
    def _largest(self, mix, request) -> float | None:
        """See `largest_mix`; right answers on validation images of classes that are kept."""
        x, y = request.validation
        counts = torch.isin(y, request.y[torch.from_numpy(request.retain).to(request.y.device)])

        def right(alpha) -> int:
            model = mix(alpha)
            said = torch.cat([model(part).argmax(1) for part in x.split(CHUNK)])
            return int(((said == y) & counts).sum())

        return largest_mix(right, self.retention)
