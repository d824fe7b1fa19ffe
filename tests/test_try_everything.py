"""Everything on one forget set: ordinary runs, kept one by one, ranked while the rest is under way."""

import shutil

import pandas as pd
import pytest

from unlearn_core.experiment import OpenStudy, Run, TryEverything, fulfil, studies
from unlearn_core.experiment.outcome import outcome
from unlearn_core.experiment.run_times import never_run, run_seconds
from unlearn_core.experiment.set_times import plan_tried, timed
from unlearn_core.experiment.study import short_name
from unlearn_core.experiment.try_everything import attempts, board, can_run, cost, fitting, level
from unlearn_core.forget import AtRandom
from unlearn_core.params import BadValue, key
from unlearn_core.progress import Cancelled
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGradPlus, RandomLabel


@pytest.fixture
def copied(filled_store, tmp_path) -> Store:
    shutil.copytree(filled_store, tmp_path / "copy")
    return Store(tmp_path / "copy")


@pytest.fixture
def study(copied) -> OpenStudy:
    return OpenStudy.open(copied, studies(copied)[0].key)


@pytest.fixture
def asked(study) -> TryEverything:
    """What the small study ran, with the settings it found."""
    spec = study.spec
    methods = ("fine-tune", "neggrad-plus", "random-label")
    shared = {"training": spec.training, "models": spec.models, "forget": spec.forget, "seeds": spec.seeds}
    plan = spec.plans[0].but(medium=_found(study, "fine-tune"), high=_found(study, "random-label"))
    return TryEverything(**shared, unlearners=tuple(_found(study, m) for m in methods), plans=(plan,))


def _found(study: OpenStudy, method: str):
    return study.run_result(method, 0).spec().unlearner


def test_what_a_study_ran_is_found_again_with_the_same_numbers(copied, study, asked):
    before = {result.key for result in copied.results("Run")}
    table = fulfil(copied, asked).table().set_index("title")
    assert {result.key for result in copied.results("Run")} == before  # nothing is computed twice
    names = {"fine-tune": "Fine-tune", "neggrad-plus": "NegGrad+", "rum": "RUM", "original": "Original"}
    names["retrained-again"] = "Retrained again"
    for metric in ("group_tow", "tow", "attack_auc"):
        means = study.means(metric)
        for method, title in names.items():
            assert table.loc[title, metric] == pytest.approx(means.loc[method, "mean"])
            assert table.loc[title, f"{metric}_half"] == pytest.approx(means.loc[method, "half_width"])
    assert table["group_tow"].dropna().is_monotonic_decreasing
    assert table.index[-1] == "Retrained"  # it is what the others are close to
    assert dict(table["kind"].value_counts()) == {"reference": 3, "single": 3, "plan": 1}
    came, ranked = outcome(copied, key(asked), "TryEverything"), table[table["kind"] != "reference"]
    assert (came.title, came.exposure, came.why_not) == (ranked.index[0], None, "")
    for estimate, title in ((came.closeness, came.title), (came.ceiling, "Retrained again")):
        assert (estimate.mean, estimate.half_width) == tuple(table.loc[title, ["group_tow", "group_tow_half"]])
    assert outcome(copied, key(asked)) is outcome(copied, "0" * 32, "TryEverything") is None


def test_what_is_finished_is_ranked_while_the_rest_is_under_way(copied, asked):
    asked = asked.but(forget=AtRandom(size=20), seeds=2)
    todo = attempts(copied, asked)
    assert [t.kind for t in todo] == ["reference", "plan", "single", "single", "single"]
    assert board(copied, todo).empty

    def stop(stage, done, total):
        if stage == "unlearning" and done / total > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(copied, asked, stop)
    part = board(copied, todo)
    assert 3 < len(part) < 7 and copied.find(asked) is None
    ended = fulfil(copied, asked).table().set_index("title")
    assert len(ended) == 7
    for line in part.set_index("title").itertuples():
        assert ended.loc[line.Index, "attack_auc"] == line.attack_auc
    assert copied.find(Run(training=asked.training, forget=todo[0].attempt.forget, unlearner=asked.unlearners[0]))


def test_overlapping_intervals_are_counted_by_hand():
    def line(mean, half, kind="single"):
        return {"kind": kind, "group_tow": mean, "group_tow_half": half}

    table = pd.DataFrame([
        line(0.95, 0.01, "reference"), line(0.9, 0.02), line(0.88, None), line(0.86, 0.01), line(0.85, 0.04),
        line(None, None),
    ])  # fmt: skip
    assert level(table) == 2  # 0.88 of a single seed and 0.85 + 0.04 reach 0.9 - 0.02; 0.86 + 0.01 does not
    assert level(table[:2]) == level(table[:1]) == 0


def test_cost_is_that_of_a_study_and_nothing_when_all_is_there(study, asked):
    assert (cost(study, asked).runs, cost(study, asked).trainings) == (0, 0)
    new = cost(study, asked.but(forget=AtRandom(size=20), seeds=2))
    assert (new.runs, new.trainings, new.trials) == (8, 4, 0) and new.seconds > 0
    with pytest.raises(BadValue, match="same training and the same bank"):
        cost(study, asked.but(models=11))


def test_equal_plans_are_tried_once(copied, asked):
    todo = attempts(copied, asked.but(plans=(*asked.plans, *asked.plans), unlearners=(FineTune(), FineTune())))
    assert [t.kind for t in todo] == ["reference", "plan", "single"]


def test_plans_of_one_name_are_told_apart(copied, asked):
    """A study's own plan may be called as the one that is tried everywhere, with other settings."""
    own, other, usual = Plan(low=FineTune(lr=0.02)), Plan(low=FineTune(lr=0.03)), Plan()
    for plans, titles in (
        ((own, usual), ["RUM", "RUM, usual settings"]),
        ((usual, own), ["RUM", "RUM (2)"]),
        ((own, usual, other), ["RUM", "RUM, usual settings", "RUM (2)"]),
    ):
        tried = [t for t in attempts(copied, asked.but(plans=plans)) if t.kind == "plan"]
        assert [t.title for t in tried] == titles and tuple(t.plan for t in tried) == plans


def test_what_cannot_be_tried_is_refused(copied, study, asked):
    for changes in ({"unlearners": (), "plans": ()}, {"unlearners": ("x",)}, {"models": 3}):
        with pytest.raises(BadValue):
            asked.but(**changes)
    rows = study.forget
    assert can_run(copied, asked.training, rows, RandomLabel())
    assert not can_run(copied, asked.training, rows, ALGORITHMS["unsir"]())  # it forgets whole classes
    with pytest.raises(BadValue, match="whole classes"):
        fulfil(copied, asked.but(unlearners=(ALGORITHMS["unsir"](),)))


def test_all_that_fits_single_images_is_tried_with_the_slowest_last():
    usual = TryEverything().unlearners
    fits = {cls for n, cls in ALGORITHMS.items() if n not in ("original", "retrain") and cls.scope != "classes"}
    assert {type(u) for u in usual} == fits and type(usual[-1]) is ALGORITHMS["mini-unlearning"]
    assert usual.index(NegGradPlus()) < usual.index(ALGORITHMS["oracle-matching"]())
    assert Plan() in TryEverything().plans


def test_on_its_own_set_what_a_study_has_done_is_found_again(filled_store):
    store = Store(filled_store)
    study = OpenStudy.open(store, studies(store)[0].key)
    asked = fitting(study, study.spec.forget, study.forget, 2)
    assert asked.seeds == 2 and asked.bank == study.spec.bank
    done = {r.spec().unlearner for r in store.results("Run") if r.spec().training.but(seed=0) == study.spec.training}
    singles = [u for u in asked.unlearners if type(u) in {type(g) for g in study.spec.unlearners}]
    assert len(singles) == len(study.spec.unlearners) and set(singles) <= done
    rum = next(t.attempt.unlearner for t in attempts(store, asked) if t.kind == "plan")
    assert rum == study.run_result("rum", 0).spec().unlearner
    assert study.settings == {
        type(u): study.run_result(short_name(u), 0).spec().unlearner for u in study.spec.unlearners
    }


def test_what_was_timed_on_this_very_set_goes_before_what_is_guessed(copied, study, asked):
    """And where everything was tried on another set only, that goes before a guess too."""
    salun, rows = ALGORITHMS["salun"](epochs=1), study.forget
    assert never_run(study, [salun], timed(study, rows)) == {type(salun)}
    whole = Plan(low_cut=0.0, high_cut=1.0, low=salun, medium=salun, high=salun)
    parts = study.refine(whole, rows)
    assert plan_tried(study, whole, parts) is None
    table = fulfil(copied, asked.but(unlearners=(salun, FineTune(epochs=2)), plans=())).table().set_index("title")
    for other in (rows, rows[:-1]):
        seen = timed(study, other)
        assert never_run(study, [salun], seen) == set()
        assert run_seconds(study, salun, seen)[0] == pytest.approx(table.loc["SalUn", "seconds"])
    assert plan_tried(study, whole, parts) == pytest.approx(table.loc["SalUn", "seconds"])
    # What the study ran too is told by this set on this set, and by the study on others.
    fine = FineTune(epochs=2)
    assert run_seconds(study, fine, timed(study, rows))[0] == pytest.approx(table.loc["Fine-tune", "seconds"])
    assert run_seconds(study, fine, timed(study, rows[:-1]))[0] == run_seconds(study, fine)[0]
