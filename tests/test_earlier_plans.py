"""Plans that ran on a set before: which they are, and what they are called beside another."""

import shutil

import numpy as np

from unlearn_core.experiment import OpenStudy, fulfil, studies
from unlearn_core.experiment.earlier_plans import Earlier, beside, earlier_plans
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import FineTune, Scrub


def test_names_beside_each_other_differ_and_no_plan_runs_twice():
    rum, other, third = Plan(), Plan(high=Scrub()), Plan(high=Scrub(lr=0.5))
    earlier = [
        Earlier("abcdef", "S", i, plan, plan) for i, plan in enumerate((rum.but(name="Mine"), other, third, other))
    ]
    found = beside(rum, earlier, as_ran=True)
    assert [plan.name for plan in found] == ["RUM", "RUM #abcd", "RUM #abcd, 2"]
    assert [plan.high for plan in found] == [rum.high, other.high, third.high]
    assert beside(rum, [], as_ran=False) == (rum,)


def test_rates_are_those_given_or_those_that_were_chosen():
    earlier = [Earlier("abcdef", "S", 0, Plan(name="A", high=Scrub()), Plan(name="A", high=Scrub(lr=0.5)))]
    assert [beside(Plan(), earlier, as_ran)[1].high for as_ran in (False, True)] == [Scrub(), Scrub(lr=0.5)]


def test_only_plans_on_the_very_same_set_of_the_very_same_models_count(tmp_path, filled_store, filled_study):
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    own = OpenStudy.open(store, studies(store)[0].key)
    (first,) = earlier_plans(own, own.forget)
    chosen = own.run_result("rum", 0).spec().unlearner.parts[-1].unlearner
    assert (first.study, first.given, first.ran.high) == (own.key, own.spec.plans[0], chosen)
    assert earlier_plans(own, own.forget[1:]) == [] == earlier_plans(own, np.setdiff1d(np.arange(700), own.forget)[:30])

    asked = filled_study.but(name="Second", plans=(first.ran.but(name="Again"), Plan(high=FineTune())), tuning_seeds=0)
    second = OpenStudy.open(store, fulfil(store, asked.but(unlearners=(), controls=False, seeds=1)).key)
    assert [(e.study, e.number) for e in earlier_plans(own, own.forget)] == [(own.key, 0), (second.key, 1)]
    assert [(e.study, e.number) for e in earlier_plans(second, own.forget)] == [(second.key, 0), (second.key, 1)]
    fulfil(store, asked.but(models=0, unlearners=(FineTune(),), plans=(Plan(),), controls=False, seeds=1))
    assert len(earlier_plans(own, own.forget)) == 2
