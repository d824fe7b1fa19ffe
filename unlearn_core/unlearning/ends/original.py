from __future__ import annotations

from unlearn_core.params import spec
from unlearn_core.unlearning.base import Unlearner


@spec
class Original(Unlearner):
    """Leave the model as it is. One end of the scale, and the right choice for images that a retrained model knows
    anyway.

    Source: the baseline "Original" of Zhao et al. (2024), "What makes unlearning hard and what to do about it",
    arXiv:2406.01257; as the step "do nothing" of RUM there.
    """

    title = "Leave as it is"
    group = "ends of the scale"
    needs = ()

    def run(self, model, original, request, cost):
        return model
