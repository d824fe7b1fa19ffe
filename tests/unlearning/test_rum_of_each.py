"""RUM around each algorithm: a plan of one part is that algorithm, and what a later part lacks is refused at once."""

import numpy as np
import pytest

from tests.unlearning.common import quick, same
from unlearn_core.params import BadValue
from unlearn_core.rows import pack
from unlearn_core.rum import Part, Rum, vanilla
from unlearn_core.unlearning import ALGORITHMS, unlearn_together


@pytest.mark.parametrize("name", [n for n in ALGORITHMS if n != "retrain"])
def test_a_plan_of_one_part_is_that_algorithm(name, tiny_model, asked):
    unlearner, request = quick(name), asked(name, seed=2)
    plan = Rum(parts=(Part(name="all", rows=pack(request.forget), unlearner=unlearner),))
    a = plan(tiny_model, request)
    (b,) = unlearn_together([unlearner], [tiny_model], [request])
    assert same(a.model, b.model)
    for what in ("steps", "forget_gradients", "retain_gradients", "validation_gradients", "diverged_at"):
        assert getattr(a.cost, what) == getattr(b.cost, what), what


@pytest.mark.parametrize("name", [n for n, cls in ALGORITHMS.items() if cls.ensemble])
def test_an_ensemble_can_only_come_last(name, tiny_model, asked):
    request, rows = asked(), (np.arange(10, 30), np.arange(30, 50))

    def plan(*unlearners):
        return Rum(parts=tuple(Part(name=f"p{i}", rows=pack(rows[i]), unlearner=u) for i, u in enumerate(unlearners)))

    plan(quick("fine-tune"), quick(name))(tiny_model, request)
    with pytest.raises(BadValue, match="several models that vote, so it can only come last"):
        plan(quick(name), quick("fine-tune"))(tiny_model, request)


def test_an_algorithm_with_epochs_of_another_kind_has_no_longer_control():
    for cls in ALGORITHMS.values():
        assert vanilla(cls(), 3) == cls() or hasattr(cls, "walk")


@pytest.mark.parametrize("name", [n for n, cls in ALGORITHMS.items() if "history" in cls.needs])
def test_what_needs_the_history_of_the_original_can_only_come_first(name, tiny_model, asked):
    request, first, second = asked(), np.arange(10, 30), np.arange(30, 50)

    def plan(one, other):
        parts = zip(("a", "b"), (first, second), (one, other), strict=True)
        return Rum(parts=tuple(Part(name=n, rows=pack(rows), unlearner=u) for n, rows, u in parts))

    plan(quick(name), quick("fine-tune")).refuse(request)
    with pytest.raises(BadValue, match="needs the training history"):
        plan(quick("fine-tune"), quick(name))(tiny_model, request)
