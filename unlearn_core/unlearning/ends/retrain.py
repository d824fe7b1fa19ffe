from __future__ import annotations

from unlearn_core.params import spec
from unlearn_core.unlearning.base import Unlearner


@spec
class Retrain(Unlearner):
    """Train a fresh model on the retain set, by the recipe of the original. Exact, and the cost that others try to
    avoid.

    Source: the definition of exact unlearning; Bourtoule et al. (2021), "Machine Unlearning", arXiv:1912.03817.
    """

    title = "Retrain"
    group = "ends of the scale"
    needs = ("retain", "labels", "recipe")
    caution = "In a study this trains the very models it is compared with, so it reads 1; a second one is the ceiling."

    def run(self, model, original, request, cost):
        (trained,) = request.recipe(request.retain, [request.seed], request.tell)
        cost.steps, cost.retain_gradients = trained.steps, trained.gradients
        return trained.model
