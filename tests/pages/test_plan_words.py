"""What stands above the parts of the Plan page is true of the plan on screen."""

from dataclasses import replace

import pytest

from pages.shared import plan_editor, plan_file, plan_words
from unlearn_core.experiment.advice import advice
from unlearn_core.rum import Plan
from unlearn_core.unlearning import FineTune, NegGradPlus, RandomLabel
from unlearn_core.unlearning.ends.original import Original


def caption(at) -> str:
    return next(c.value for c in at.caption if c.value.startswith("On screen is"))


def test_the_study_s_own_plan_is_named_and_what_it_runs(open_page, filled_store):
    said = caption(open_page("plan", filled_store))
    assert said.startswith("On screen is the study's own plan: low left as it is, then medium with ")
    assert "high with Random-label, in the paper's order." in said


def test_a_change_is_named(open_page, filled_store, study):
    at = open_page("plan", filled_store)
    select = next(s for s in at.selectbox if s.label == "Algorithm")
    select.set_value("neggrad-plus").run()
    assert "the study's own plan, with changes in the low part: low with NegGrad+, then" in caption(at)
    order = next(s for s in at.selectbox if s.label == "Order")
    order.set_value(("high", "low", "medium")).run()
    said = caption(at)
    assert "changes in the low part and the order: high with Random-label, then" in said and "paper" not in said


def test_a_plan_that_was_loaded_is_named(open_page, filled_store):
    plan = Plan(name="Mine", low=FineTune(epochs=3), order=("high", "medium", "low"))
    said = caption(open_page("plan", filled_store, plan=plan_file.to_address(plan)))
    assert said.startswith("On screen is “Mine”, another plan than the study's own: ") and "paper" not in said


def test_where_stored_runs_suggest_otherwise_is_said_until_it_is_taken(open_page, filled_store, study):
    at = open_page("plan", filled_store)
    for part in ("low", "medium", "high"):
        mean = study.summary["parts"][part]["memorization"]
        named = f"the {part} part" in caption(at).partition("Stored runs suggest otherwise")[2]
        assert named == (type(advice(study, mean).unlearner) is not type(getattr(study.spec.plans[0], part)))
    button = next(b for b in at.button if b.label == "Use what is suggested")
    button.click().run()
    assert "suggest otherwise" not in caption(at) and "those that stored runs suggest" in caption(at)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"high": FineTune()}, ["the high part"]),
        ({"low_cut": 0.1}, ["the cuts"]),
        ({"by": "entanglement", "exclude_all": True}, ["the cuts", "the images to keep"]),
        ({"name": "other"}, []),
        ({"low": FineTune(), "order": ("high", "low", "medium")}, ["the low part", "the order"]),
    ],
)
def test_every_difference_has_its_words(change, says):
    assert plan_words.changed(Plan(), Plan().but(**change)) == says
    assert plan_words.same(Plan(), Plan().but(**change)) == (not says)


def test_leaving_a_part_is_said_in_words_and_another_kind_of_part_says_nothing(study):
    found = advice(study, study.summary["parts"]["low"]["memorization"])
    told = {"low": replace(found, unlearner=Original(), alike=True), "high": "Nothing is suggested."}
    said = plan_words.against(Plan(low=NegGradPlus()), told)
    assert "leave the low part as it is" in said and "high" not in said
    assert plan_words.against(Plan(low=RandomLabel()), {"low": replace(found, alike=False)}) == ""


def test_beside_a_learning_rate_stands_what_was_chosen_in_its_place(open_page, filled_store, study, monkeypatch):
    at = open_page("plan", filled_store)
    said = [c.value for c in at.caption if c.value.startswith("A study that tunes chooses the learning rate anew")]
    own = study.spec.plans[0]
    told = [study.best[u] for u in (own.medium, own.high)]
    assert [s.split("**")[1] for s in said] == [f"{found.lr:g}" for found in told]
    assert any(c.value.startswith("A study that tunes chooses its learning rates anew") for c in at.caption)
    monkeypatch.setattr(plan_editor, "is_settled", lambda study: False)
    # An algorithm that was never tuned here has no last time.
    assert "Last time" not in plan_words.rate(study, FineTune(epochs=7)) and not plan_words.rate(study, Original())


def test_learning_rates_that_were_searched_for_are_said_to_stay(open_page, filled_store):
    at = open_page("plan", filled_store, rates="kept")
    assert not any("chooses" in c.value and "learning rate" in c.value for c in at.caption)
    assert sum(c.value.startswith("The learning rate stays as it is") for c in at.caption) == 2
