from __future__ import annotations

from unlearn_core.params import spec
from unlearn_core.unlearning.draws import FORGET, shuffled
from unlearn_core.unlearning.gradients import importances, named_parts
from unlearn_core.unlearning.perturb.perturbation import Perturbation


@spec
class TopK(Perturbation):
    """Noise on the weights that matter most for the forget set, then repair on the retain set.

    score = mean over forget batches of (gradient of CE)^2 at the original, in eval mode; the `share` with the highest
    scores get theta + N(0, sigma^2). Repair: loss = CE(retain) + hold * J(model, original; forget), J the symmetric KL
    divergence.

    Source: Zuo, Tang, Li, Datta (2024), "Machine unlearning through fine-grained model parameters perturbation",
    arXiv:2401.04385.
    Departs from the paper: its formulas were not at hand, so the score, the noise in units of the layer's standard
    deviation, and the repair over the whole retain set are assumed. Biases and normalisation are left out unless asked.
    """

    title = "Top-K perturbation"
    group = "perturb weights"
    reconstruction = "Reconstruction: the score of a weight, the size of the noise and the repair are assumed."

    def scores(self, original, request, cost):
        cost.forget_gradients += len(request.forget)
        return named_parts(original, importances(original, shuffled(request, request.forget, self.batch, FORGET)))
