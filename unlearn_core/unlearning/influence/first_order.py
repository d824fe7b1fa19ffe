from __future__ import annotations

from unlearn_core.params import param, spec
from unlearn_core.unlearning.influence.data_change import DataChange


@spec
class FirstOrder(DataChange):
    """Follow a change of the training data by gradient: theta - tau G / n, G = sum over Z~ of grad CE - sum over Z.

    Z are the forget images, Z~ what becomes of them: nothing, the same with corrected labels, or the same with a square
    in the mean colour. Each further step takes G where the last one led, in eval mode.

    Source: Warnecke, Pirch, Wressnegger, Rieck (2023), "Machine Unlearning of Features and Labels", arXiv:2108.11577.
    Departs from the paper: G is divided by the number n of training images, so tau does not depend on it.
    """

    title = "First-order influence"
    group = "influence of features and labels"
    needs = ("forget", "labels")
    grid = {"tau": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0), "steps": (1, 10)}

    tau: float = param(10.0, 0.0, 1e6, help="length of a step; about 10 suits deletion, about 1 corrected labels")
    steps: int = param(1, 1, 1000, help="steps, each from where the last one led")

    def run(self, model, original, request, cost):
        for step in range(self.steps):
            loss = self.mean_loss(model)
            by = loss.parts(-self.tau * self.gradient_change(loss, request, cost))
            self.move(model, by)
            cost.steps += 1
            request.tell("unlearn", step + 1, self.steps)
        return model
