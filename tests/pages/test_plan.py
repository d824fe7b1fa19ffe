"""The Plan page: cuts, algorithms, what is suggested, what it costs, and what the button submits."""

import json
import re
import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some

from pages.shared import (
    algorithms,
    cost_words,
    cut_lines,
    found_plans,
    memorization_chart,
    plan_cuts,
    plan_editor,
    plan_file,
    plan_lead,
    plan_parts,
)
from pages.shared.text import duration, escape
from unlearn_core import jobs
from unlearn_core.disk import StoreError
from unlearn_core.engines import machine
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, PlanSearch, fulfil
from unlearn_core.experiment.advice import Advice, advice
from unlearn_core.experiment.forecast import Forecast, beyond, forecast, peak
from unlearn_core.experiment.run_times import plan_took
from unlearn_core.experiment.saved_plans import saved
from unlearn_core.experiment.search import so_far
from unlearn_core.forget import Picked
from unlearn_core.job import Expected, Job
from unlearn_core.params import BadValue, build, canonical, key, plain
from unlearn_core.progress import Cancelled
from unlearn_core.rum import LEFT_UP_TO, PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGradPlus, Original, RandomLabel, SalUn, Scrub


@pytest.fixture
def plan_page(open_page):
    """plan_page(store_folder, **address) -> the Plan page."""
    return partial(open_page, "plan")


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def widget(at, ends: str):
    """The widget whose key ends like this; keys begin with what changes from plan to plan."""
    kinds = (*at.selectbox, *at.slider, *at.number_input, *at.text_input, *at.multiselect, *at.checkbox)
    return next(w for w in kinds if w.key and w.key.endswith(ends))


def cut_slider(at):
    return next(s for s in at.slider if ".cuts." in (s.key or ""))


def test_empty_store(plan_page, store):
    at = plan_page(store.root)
    assert "needs a finished study" in at.info[0].value


def test_the_study_as_it_stands_costs_nothing_and_is_found_again(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    said = at.markdown[0].value
    assert (
        "unlearns **20** of the study's own set of 30 images, and leaves **10** as they are, in 3 steps: Leave as it "
        "is on 10 low, then Fine-tune on 10 medium" in said
    )
    assert "Nothing is left to compute" in words(at)
    assert "plan" not in at.query_params

    button(at, "Run plan + baselines").click().run()
    (asked,) = submitted
    assert asked.but(name=study.spec.name) == study.spec  # untouched widgets change no third into 0.33
    assert at.title[0].value == "Runs"


def test_work_under_way_is_joined_and_that_is_said(plan_page, own_store, study):
    asked = study.spec.but(name=f"{study.spec.name}, planned")
    folder = own_store.root / "jobs" / key(asked)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(asked), "submitted": 1.0}))
    with own_store.lock(f"job-{key(asked)}"):
        assert "running it joins that job" in words(plan_page(own_store.root))
    assert "joins that job" not in words(plan_page(own_store.root))


def test_memorized_images_that_are_left_are_warned_of(plan_page, filled_store, study):
    ranked = np.lexsort((np.arange(len(study.labels)), -study.memorization.scores))
    at = plan_page(filled_store, forget=",".join(map(str, sorted(ranked[:30]))))
    low = study.refine(Plan(), np.sort(ranked[:30]))["low"]
    mean = study.memorization.scores[low].mean()
    assert mean > LEFT_UP_TO and not plan_page(filled_store).warning
    said = at.warning[0].value
    assert (
        f"The low part (10 images, mean memorization **{mean:.2f}**) is left" in said and "from a mean of 0.25" in said
    )
    widget(at, ".low").select("fine-tune").run()
    assert "**RUM** unlearns your set of 30 images in 3 steps" in at.markdown[0].value and not at.warning


def test_equal_scores_that_a_cut_goes_through_are_told(plan_page, filled_store, study):
    scores = study.memorization.scores
    values, counts = np.unique(scores, return_counts=True)
    rows = np.flatnonzero(scores == values[counts.argmax()])[:9]
    at = plan_page(filled_store, forget=",".join(map(str, rows)))
    assert "9 images have the very same score: 3 fall into low, 3 into medium and 3 into high, by row number." in words(
        at
    )
    cut_slider(at).set_value((0, 5)).run()
    assert "9 images have the very same score: 5 fall into medium and 4 into high, by row number." in words(at)
    cut_slider(at).set_value((0, 9)).run()
    assert "the very same score" not in words(at)


def test_an_algorithm_for_an_empty_part_costs_nothing(plan_page, filled_store, submitted, alone):
    at = plan_page(filled_store, forget="3,5,8-20")
    cut_slider(at).set_value((5, 15)).run()
    widget(at, ".high").select("original").run()

    def costs() -> list[str]:
        return [line for line in words(at).splitlines() if "Estimated" in line or line.startswith("adds")]

    before = costs()
    widget(at, ".high").select("scrub").run()
    assert before == costs() and before
    button(at, "Run this plan").click().run()
    assert submitted[0].plans[0].high == Original() and submitted[0].plans[0].medium != Original()


def test_cuts_by_number_of_images(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert cut_slider(at).value == (10, 20)
    cut_slider(at).set_value((6, 30)).run()
    assert "Leave as it is on 6 low, then Fine-tune on 24 medium." in at.markdown[0].value
    assert "This part is empty" in at.warning[0].value
    assert "unlearning runs" in words(at) and "more are stored already" in words(at)

    button(at, "Run this plan").click().run()
    plan = submitted[0].plans[0]
    cut = study.refine(plan, study.forget)
    assert [len(rows) for rows in cut.values()] == [6, 24, 0]


def test_cuts_can_be_typed_and_the_slider_follows(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert (widget(at, ".first").value, widget(at, ".second").value) == (10, 20)
    widget(at, ".second").set_value(26).run()
    assert cut_slider(at).value == (10, 26) and "Random-label on 4 high" in at.markdown[0].value
    cut_slider(at).set_value((3, 26)).run()
    assert (widget(at, ".first").value, widget(at, ".second").value) == (3, 26)
    widget(at, ".first").set_value(28).run()  # the other moves out of its way
    assert cut_slider(at).value == (28, 28) and "Leave as it is on 28 low" in at.markdown[0].value
    widget(at, ".second").set_value(5).run()
    assert cut_slider(at).value == (5, 5)
    widget(at, ".second").set_value(99_999).run()  # beyond the end is at the end, and the number says so
    assert cut_slider(at).value == (5, 30) and widget(at, ".second").value == 30
    assert not at.exception


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        ([0.21, 0.6], (0.6, 0.7)),  # the low line is drawn up
        ([0.19, 0.05], (0.05, 0.7)),  # and down
        ([0.71, 0.9], (0.2, 0.9)),
        ([0.7, 0.5], (0.2, 0.5)),
        ([0.2, 0.95], (0.95, 0.95)),  # what stands in the way moves along
        ([0.7, 0.1], (0.1, 0.1)),
        ([0.19, 0.695], (0.695, 0.7)),  # one line onto the other
        ([0.3, 0.5], (0.3, 0.5)),  # a band that begins at no line
        ([0.5, 0.2], (0.2, 0.5)),
        (None, None),
        ([], None),
        ([0.1], None),
        ([0.1, 0.2, 0.3], None),
        (["a", 1], None),
        ([float("nan"), 1], None),
        ([0, 1e999], None),
        ({"x": 1}, None),
    ],
)
def test_a_hand_on_the_histogram(band, expected):
    assert cut_lines.moved((0.2, 0.7), band, 1.0) == expected


def test_of_two_lines_in_one_place_the_one_that_can_goes():
    assert cut_lines.moved((0.5, 0.5), [0.5, 0.8], 1.0) == (0.5, 0.8)
    assert cut_lines.moved((0.5, 0.5), [0.5, 0.2], 1.0) == (0.2, 0.5)
    assert cut_lines.moved((0.40, 0.41), [0.40, 0.60], 1.0) == (0.6, 0.6)  # of two that are near, the nearer


@pytest.mark.parametrize("by_rank", [True, False])
def test_what_a_hand_asks_of_the_cuts_stays_within_the_slider(monkeypatch, by_rank):
    scores, kept = np.array([0.0, 0.1, 0.1, 0.1, 0.4, 0.5, 0.9]), {"chart": None}
    monkeypatch.setattr(st, "session_state", kept)

    def drag(band, cuts):
        boxes = [{"x": band}] if band is not None else []
        kept.update({"chart": SimpleNamespace(selection=SimpleNamespace(box=boxes)), "slider": cuts})
        steps = (0, 7, 1) if by_rank else (-0.1, 1.0, 0.01)
        lines = tuple(plan_cuts._between(scores, cut) for cut in cuts) if by_rank else cuts
        plan_cuts._dragged("chart", "slider", scores if by_rank else None, lines, 1.0, steps)
        return kept["slider"]

    if by_rank:
        assert drag([0.3, 0.45], (0, 7)) == (4, 5)
        assert drag([0.45, 0.7], (2, 5)) == (2, 6)  # among equal scores the other cut stays to the image
        assert drag([-5, 5], (3, 4)) == (0, 7)
    else:
        assert drag([0.304, 0.574], (0.0, 0.9)) == (0.3, 0.57)  # as it would be typed
        assert drag([-5, 5], (0.1, 0.2)) == (-0.1, 1.0)
    before = kept["slider"]
    assert drag(None, before) == before and plan_cuts.SAID not in kept
    assert drag(["a", "b"], before) == before and "cannot be read" in kept[plan_cuts.SAID]


def test_by_score_the_lines_are_where_the_slider_is(plan_page, filled_store):
    at = plan_page(filled_store)
    widget(at, ".cut_by").select("value").run()
    slider = cut_slider(at)
    slider.set_value((slider.min, slider.max)).run()
    low, high = cut_slider(at).value
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert [line["x0"] for line in figure["layout"]["shapes"]] == [low, high] == figure["layout"]["xaxis"]["range"]
    assert "Fine-tune on all 30 images." in at.markdown[0].value  # both lines at the ends leave all between them


@pytest.mark.parametrize("by", ["memorization", "entanglement"])
def test_the_name_of_a_part_stands_over_its_bars(study, by):
    """By entanglement parts are named by what is measured of them, so the first from the left need not be low."""
    rng, orders, scores = np.random.default_rng(0), set(), study.scores(by)
    for cuts in ((0.2, 0.6), (0.0, 0.5), (0.4, 1.0), (0.0, 0.0), (0.3, 0.3)):
        for _ in range(8):
            rows = np.sort(rng.choice(len(study.labels), 30, replace=False))
            parts = study.refine(Plan(by=by, low_cut=cuts[0], high_cut=cuts[1]), rows)
            ranked = np.sort(scores[rows])
            lines = tuple(plan_cuts._between(ranked, round(cut * 30)) for cut in cuts)
            fig = memorization_chart.of_set(study, by, parts, lines)
            places = {note.text.split()[0]: note.xanchor for note in fig.layout.annotations}
            assert set(places) == {name for name, own in parts.items() if len(own)}
            assert len(set(places.values())) == len(places)
            for name, side in places.items():
                own = scores[parts[name]]
                assert side != "right" or own.max() <= lines[0]
                assert side != "center" or lines[0] <= own.min() <= own.max() <= lines[1]
                assert side != "left" or own.min() >= lines[1]
            orders.add(tuple(sorted(places, key=lambda name: ("right", "center", "left").index(places[name]))))
    assert any(list(order) != [p for p in PARTS if p in order] for order in orders) == (by == "entanglement")


@pytest.mark.parametrize("by", ["memorization", "entanglement", "confidence"])
def test_cuts_by_score(plan_page, filled_store, study, by):
    at = plan_page(filled_store)
    widget(at, ".by").select(by).run()
    widget(at, ".cut_by").select("value").run()
    low, high = cut_slider(at).value
    assert low <= high
    plan = Plan(by=by, cut_by="value", low_cut=low, high_cut=high)
    for name, rows in study.refine(plan, study.forget).items():
        assert f"**{name.capitalize()}: {len(rows)} images**" in words(at)


def test_a_plan_that_does_nothing_cannot_be_run(plan_page, filled_store):
    at = plan_page(filled_store)
    for part in ("medium", "high"):
        widget(at, f".{part}").select("original").run()
    assert "This plan changes nothing" in words(at)
    assert button(at, "Run this plan").disabled


def test_what_is_chosen_is_what_runs(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store, forget="3,5,8-20")
    widget(at, ".high").select("salun").run()
    widget(at, ".high.salun.epochs").set_value(3).run()
    widget(at, ".high.salun.share").set_value(0.3).run()
    widget(at, ".order").select(("high", "medium", "low")).run()
    widget(at, ".exclude").select(True).run()
    widget(at, ".singles").set_value(["neggrad-plus", "scrub"]).run()
    widget(at, ".seeds").set_value(4).run()
    widget(at, ".controls").uncheck().run()
    assert not at.exception and not at.error
    assert "guessed: SCRUB, SalUn" in words(at)

    button(at, "Run plan + baselines").click().run()
    (asked,) = submitted
    assert asked.forget == Picked(named="3,5,8-20") and asked.training == study.spec.training
    assert (asked.seeds, asked.controls) == (4, False)
    assert asked.unlearners[0] == study.spec.unlearners[1]  # with the settings of the study, so it is found again
    (plan,) = asked.plans
    assert plan.high == SalUn(epochs=3, share=0.3) and plan.medium == FineTune(epochs=2)
    assert plan.order == ("high", "medium", "low") and plan.exclude_all


def test_a_link_brings_the_plan_back(plan_page, filled_store):
    plan = Plan(name="Mine", by="confidence", low=NegGradPlus(alpha=0.9), order=("medium", "low", "high"))
    at = plan_page(filled_store, plan=plan_file.to_address(plan))
    assert at.markdown[0].value.startswith("**Mine** unlearns")
    assert "NegGrad+ on 10 low" in at.markdown[0].value
    assert plan_file.from_address(at.query_params["plan"]) == plan

    at = plan_page(filled_store, plan="nonsense!")
    assert "plan in this address is damaged" in at.warning[0].value and "**RUM**" in at.markdown[0].value


def test_a_plan_from_a_file_takes_the_place_of_the_one_on_screen(plan_page, filled_store):
    at = plan_page(filled_store)
    widget(at, ".high").select("scrub").run()
    plan = Plan(name="Loaded", low_cut=0.5, high_cut=0.8, high=SalUn())
    at.get("file_uploader")[0].upload("plan.json", plan_file.to_text(plan).encode(), "application/json").run()
    assert "**Loaded**" in at.markdown[0].value and "SalUn on 6 high" in at.markdown[0].value
    assert cut_slider(at).value == (15, 24)

    at.get("file_uploader")[0].upload("plan.json", b"{", "application/json").run()
    assert "not a plan" in at.error[0].value and "**Loaded**" in at.markdown[0].value


def test_a_plan_is_saved_listed_loaded_and_removed(plan_page, own_store):
    at = plan_page(own_store.root)
    assert "Save this plan, or load one" in [e.label for e in at.expander]
    widget(at, ".high").select("scrub").run()
    name = "Mine *and* <b>yours</b>"
    next(w for w in at.text_input if w.label == "Name of the plan").set_value(name).run()
    at.button(key="plan.save").click().run()
    (kept,) = saved(own_store)
    assert (kept.name, kept.high) == (name, Scrub()) and at.button(key="plan.save").disabled
    assert escape(f"{name} is saved in this store.") in words(at)

    at = plan_page(own_store.root)  # another visit
    assert "Random-label on 10 high" in at.markdown[0].value
    at.button(key="plan.load.0").click().run()
    assert "SCRUB on 10 high" in at.markdown[0].value and escape(name) in at.markdown[0].value
    at.button(key="plan.remove.0").click().run()
    assert not at.exception and saved(own_store) == []
    assert "SCRUB on 10 high" in at.markdown[0].value  # the one on screen stays


def test_suggestions_are_taken_over(plan_page, filled_store, study):
    at = plan_page(filled_store)
    button(at, "Use what is suggested").click().run()
    for part in ("low", "medium", "high"):
        algorithm = advice(study, float(study.memorization.scores[study.parts[part]].mean())).unlearner.title
        assert f"{algorithm} on 10 {part}" in at.markdown[0].value
    assert button(at, "Use what is suggested").disabled
    assert words(at).count("lightbulb: Suggested: ") == 3


def test_the_plan_that_ran_is_told_by_what_it_took(plan_page, filled_store, study):
    """The very seconds that the report divides by those of retraining."""
    took = study.table[study.table["kind"] == "plan"].groupby("method")["seconds"].mean()["rum"]
    given = study.spec.plans[0]
    assert plan_took(study, given, study.refine(given, study.forget)) == pytest.approx(took)
    assert f"this plan took **{duration(took)}**" in plan_page(filled_store).markdown[0].value
    other = given.but(low=FineTune(epochs=7))
    assert plan_took(study, other, study.refine(other, study.forget)) is None


@pytest.mark.parametrize(
    ("took", "runs", "says"),
    [(30.0, 0.0, "this plan took **30 s**, **2.5 times** as long."), (3.0, 0.0, "this plan took **3.0 s**."),
     (None, 11.0, "this plan would."), (None, 13.0, "this plan would not.")],
)  # fmt: skip
def test_a_plan_is_held_against_the_seconds_that_are_said(plan_page, filled_store, monkeypatch, took, runs, says):
    monkeypatch.setattr(plan_lead, "retraining_seconds", lambda study: 12.0)
    monkeypatch.setattr(plan_lead, "plan_took", lambda *_: took)
    monkeypatch.setattr(plan_lead, "training_seconds", lambda study: 12.0)
    monkeypatch.setattr(
        plan_lead, "run_seconds", lambda study, unlearner, seen: (runs * len(unlearner.parts) / 3, None)
    )
    lead = plan_page(filled_store).markdown[0].value
    assert "**12 s**" in lead and says in lead


def test_nothing_is_suggested_for_a_whole_class(plan_page, filled_store, study):
    rows = ",".join(map(str, np.flatnonzero(study.labels == 3)))
    at = plan_page(filled_store, forget=rows)
    count = len(study.refine(study.spec.plans[0], np.flatnonzero(study.labels == 3))["low"])
    assert [w.value for w in at.warning if f"but {count} images of it lie in parts that are left" in w.value]
    assert words(at).count("Nothing is suggested: the set takes most of class 3") == 3
    assert button(at, "Use what is suggested").disabled


# -- the search for a better plan --------------------------------------------------------------------------------------


@pytest.fixture
def small_search(study) -> PlanSearch:
    """Eight plans of one algorithm, with the rate that the study chose."""
    fields = {"training": study.spec.training, "models": study.spec.models, "forget": study.spec.forget}
    algorithms = (plan_editor.tuned(study, RandomLabel),)
    counts = {"trials": 8, "together": 8, "tuning_seeds": 1, "seeds": 3, "best": 1}
    return PlanSearch(name="Small", **fields, plan=study.spec.plans[0], algorithms=algorithms, method="grid", **counts)


@pytest.fixture
def own_store(filled_store, tmp_path) -> Store:
    shutil.copytree(filled_store, tmp_path / "own")
    return Store(tmp_path / "own")


@pytest.fixture
def stopped(own_store, small_search) -> Store:
    """A store in which a search was stopped after all plans were tried."""

    def stop(stage, done, total):
        if stage == "single algorithms":
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(own_store, small_search, stop)
    return own_store


def test_the_search_that_is_asked_for_is_the_one_that_starts(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert "64 plans to try" in words(at) and "12 runs to confirm the best" in words(at)
    assert f"It takes **{cost_words.megabytes(peak(study)[0])}** of memory" in words(at)
    cut_slider(at).set_value((6, 20)).run()
    widget(at, ".order").select(("high", "medium", "low")).run()
    widget(at, ".algorithms").set_value(["random-label", "scrub"]).run()
    widget(at, ".rates").set_value(["0.3", "1"]).run()
    widget(at, ".method").select("grid").run()
    assert "The grid has 125 plans, but only 64 may be tried" in at.error[0].value
    widget(at, ".trials").set_value(125).run()
    assert not at.error and "125 plans to try" in words(at)

    button(at, "Start the search").click().run()
    (asked,) = submitted
    assert isinstance(asked, PlanSearch) and asked.bank == study.spec.bank and asked.forget == study.spec.forget
    assert [len(rows) for rows in study.refine(asked.plan, study.forget).values()] == [6, 14, 10]
    assert asked.plan.order == ("high", "medium", "low") and asked.rates == (0.3, 1.0)
    relabel, scrub = asked.algorithms
    assert relabel == study.run_result("random-label", 0).spec().unlearner and type(scrub) is Scrub


def test_a_search_needs_an_algorithm(plan_page, filled_store):
    at = plan_page(filled_store)
    widget(at, ".algorithms").set_value([]).run()
    assert "at least one algorithm" in at.error[0].value
    assert not [b for b in at.button if b.label == "Start the search"]


def test_a_found_plan_is_confirmed_explained_and_used(plan_page, own_store, small_search, submitted, study):
    summary = fulfil(own_store, small_search).json("summary")
    at = plan_page(own_store.root)
    (found,) = summary["plans"]
    assert f"different plans read **{found['tuning']:.3f}**" in words(at)
    table = next(e.value for e in at.dataframe if "confirmed" in e.value)
    assert list(table["what"]) == ["Plan 1", "One for all", "RUM", "Retrained"]  # the study's own plan beside it
    assert table["confirmed"][0].startswith(f"{found['confirmed']['mean']:.3f} ±")

    button(at, "Use this plan").click().run()
    assert at.markdown[0].value.startswith("**Found 1** unlearns")
    assert widget(at, ".tuning_seeds").value == 0
    widget(at, ".controls").uncheck().run()
    assert "Nothing is left to compute" in words(at)  # what the search confirmed is what a study would run
    button(at, "Run plan + baselines").click().run()
    present, earlier = submitted[0].plans
    assert present == build(found["plan"]) and submitted[0].tuning_seeds == 0
    assert earlier.high.lr == study.run_result("random-label", 0).spec().unlearner.lr  # as it ran


def test_a_stopped_search_shows_what_it_has_and_goes_on(plan_page, stopped, small_search, submitted):
    at = plan_page(stopped.root)
    (table,) = [e.value for e in at.dataframe if "score" in e.value]
    assert len(table) == 5 and list(table["score"]) == sorted(table["score"], reverse=True)
    button(at, "Go on with this search").click().run()
    assert submitted == [small_search]
    button(at, "Confirm the best so far").click().run()
    assert submitted[1] == so_far(stopped, small_search)
    fulfil(stopped, submitted[1])
    at = plan_page(stopped.root)
    assert "The search was stopped after **8 of 8** plans. The best of these:" in words(at)
    button(at, "Use this plan").click().run()
    assert at.markdown[0].value.startswith("**Found 1** unlearns")


@pytest.mark.parametrize("state", ["running", "cancelled"])
def test_the_confirmation_shows_how_far_it_is_and_can_be_stopped(plan_page, stopped, small_search, monkeypatch, state):
    wanted, ended = so_far(stopped, small_search), []
    stages = (("starting", 3.0), ("single algorithms", 8.0), ("confirmation", 2.0))
    job = Job(
        key(wanted), "BestSoFar", "Best", state, 0.0, 20.0, stages, 3, 12, "", "", 13.0, Expected(30.0, 20.0, 40.0)
    )

    def find(store, name: str, held: bool = False) -> Job:
        if name != job.key:
            raise StoreError("There is none.")
        return job

    monkeypatch.setattr(jobs, "find", find)
    monkeypatch.setattr(jobs, "cancel", lambda store, name: ended.append(name))
    at = plan_page(stopped.root)
    assert "**Confirming the best so far** on 3 models" in words(at)
    assert not [b for b in at.button if b.label == "Confirm the best so far"]
    if state == "cancelled":
        assert "Cancelled · 13 s" in words(at) and "stopped in **confirmation**" in words(at) and button(at, "Resume")
        return
    assert "Running · 13 s · 7.0 s to 27 s left" in words(at) and "single algorithms · 8.0 s" in words(at)
    (bar,) = [bar.proto for bar in at.get("progress")]
    assert bar.value == 25 and bar.text == "**confirmation**: 25%"
    button(at, "Cancel").click().run()
    assert ended == [key(wanted)]


def test_what_a_search_says_follows_its_numbers():
    def said(optimism, above, half):
        best = {"tuning": 0.9, "confirmed": {"mean": 0.9 - optimism, "half_width": 0.02, "n": 5}, "optimism": optimism}
        best["above_single"] = {"mean": above, "half_width": half, "n": 5}
        single = {"unlearner": plain(SalUn()), "confirmed": {"mean": 0.8, "half_width": 0.02, "n": 5}}
        return found_plans.lesson({"plans": [best], "single": single, "different": 40})

    assert "flattered it by 0.050" in said(0.05, 0.1, 0.02) and "+0.100 ± 0.020 from it, beyond" in said(
        0.05, 0.1, 0.02
    )
    assert "did not flatter" in said(-0.01, -0.01, 0.02) and "within the spread" in said(-0.01, -0.01, 0.02)
    assert "spread" not in said(0.05, 0.1, None)
    assert "**it beats every single algorithm**" in said(0.0, 0.1, 0.02)
    assert "**no plan found beats SalUn alone**" in said(0.0, -0.1, 0.02)


# -- plans as text ----------------------------------------------------------------------------------------------------

PLANS = some.builds(
    Plan,
    name=some.text(max_size=30),
    by=some.sampled_from(["memorization", "entanglement", "confidence"]),
    low_cut=some.floats(0, 0.5),
    high_cut=some.floats(0.5, 1),
    low=some.builds(FineTune, lr=some.floats(1e-6, 1)),
    order=some.permutations(["low", "medium", "high"]).map(tuple),
)


@given(PLANS)
def test_a_plan_survives_both_spellings(plan):
    assert plan_file.from_text(plan_file.to_text(plan)) == plan
    assert plan_file.from_address(plan_file.to_address(plan)) == plan


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '{"spec": "Plan"}', json.dumps(plain(Training())), "[" * 20_000, "x" * 60_000]
    + [json.dumps(plain(Plan()) | {"name": "\ud800x"})]
    + [canonical(Plan()).replace('"rank"', '"rnak"'), canonical(Plan()).replace('"lr"', '"rl"')],
)
def test_a_bad_plan_is_one_sentence(text):
    with pytest.raises(BadValue) as error:
        plan_file.from_text(text)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "!", "AAAA", "é", plan_file.to_address(Plan())[:-9]])
def test_a_bad_address_is_one_sentence(text):
    with pytest.raises(BadValue):
        plan_file.from_address(text)


@pytest.fixture
def alone(monkeypatch):
    """Nothing else runs on this machine."""
    monkeypatch.setattr(machine, "load", lambda: 0.0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (
            (3.8, 3.4, 234.0),
            "About **7.8 s** (7.4 s to 3 min 58 s), its start and what else runs",
        ),
        (
            (20.0, 12.0, 35.0),
            "About **24 s** (16 s to 39 s), its start and what else runs here now included: 5 unlearn",
        ),
    ],
)
def test_the_best_guess_is_said_with_its_range(store, alone, seconds, said):
    assert said in cost_words.cost(store, Forecast(0, 0, 5, 0, *seconds, guessed=()))


def test_an_estimate_says_by_how_many_jobs_it_was_corrected(store, alone, monkeypatch):
    f = Forecast(0, 0, 5, 0, 20.0, 12.0, 35.0, guessed=())
    done = Job("1" * 32, "Study", "S", "done", 0.0, 50.0, (), 1, 1, "", "", 12.0, cost_words.expected(store, f))
    monkeypatch.setattr(jobs, "listing", lambda store: [done])
    assert "About **12 s** (8.0 s to 39 s), corrected by 1 earlier job. Est" in cost_words.short(store, f)
    monkeypatch.setattr(jobs, "listing", lambda store: [done, done])
    assert "corrected by 2 earlier jobs, its start and what" in cost_words.cost(store, f)
    assert "corrected" not in cost_words.cost(store, f, "TryEverything")  # which no job was yet


def test_an_estimate_says_how_many_jobs_go_first(store, alone, monkeypatch):
    f = Forecast(0, 0, 5, 0, 20.0, 12.0, 35.0, guessed=())
    assert "before it" not in cost_words.short(store, f)
    first = Job("1" * 32, "Study", "S", "running", 0.0, 50.0, (), 1, 1, "", "", 5.0, Expected(20.0, 12.0, 35.0))
    monkeypatch.setattr(jobs, "listing", lambda store: [first])
    assert ". It begins after 1 job before it (7.0 s to 30 s). Estimated" in cost_words.short(store, f)
    monkeypatch.setattr(jobs, "listing", lambda store: [replace(first, worked=30.0)])
    assert ". It begins after 1 job before it (up to 5.0 s). Estimated" in cost_words.short(store, f)
    unknown = replace(first, state="queued", expected=None)
    monkeypatch.setattr(jobs, "listing", lambda store: [first, unknown, replace(first, state="done")])
    assert " It begins after 2 jobs before it. " in cost_words.cost(store, f)


def test_a_plan_runs_alone_or_with_its_baselines_and_what_they_add_is_said(plan_page, filled_store, study, submitted):
    told = r"The baselines add about .* s, (\d+) models, [\d.]+ MB\."
    for label, singles, controls in (("Run this plan", 0, False), ("Run plan + baselines", 3, True)):
        at = plan_page(filled_store, forget="3,5,8-20")
        (models,) = re.findall(told, words(at))
        button(at, label).click().run()
        assert (len(submitted[-1].unlearners), submitted[-1].controls) == (singles, controls)
    alone, whole = (forecast(study, asked) for asked in submitted)
    assert submitted[0] == submitted[1].alone and int(models) == whole.runs - alone.runs > 0
    assert whole.trainings == alone.trainings and beyond(whole, alone).megabytes == whole.megabytes - alone.megabytes

    at = plan_page(filled_store, forget="3,5,8-20")
    widget(at, ".controls").uncheck().run()
    widget(at, ".alone").uncheck().run()
    assert "No baselines are chosen above." in words(at) and button(at, "Run plan + baselines").disabled
    assert not button(at, "Run this plan").disabled


def test_each_baseline_is_one_click_with_its_cost(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert words(at).count("adds nothing: stored already") == 3
    at = plan_page(filled_store, forget="3,5,8-20")
    assert len(re.findall(r"adds about .* s, \d+ models, [\d.]+ MB", words(at))) == 3
    assert widget(at, ".retrained").disabled
    before = words(at)
    widget(at, ".controls").uncheck().run()
    assert [w for w in words(at).splitlines() if w.startswith("adds")] == [
        w for w in before.splitlines() if w.startswith("adds")
    ]  # what it would add does not hang on whether it is chosen
    widget(at, ".alone").uncheck().run()
    assert "nothing to hold the plan against" in words(at)
    button(at, "Run this plan").click().run()
    assert (submitted[0].unlearners, submitted[0].controls) == ((), False)


def test_work_of_which_no_spread_is_known_has_a_wide_range(store, alone):
    assert cost_words.roughly(store, "Audit", 20.0).startswith("about **24 s** (14 s to 44 s), its start")


def test_room_is_said_with_its_kind_and_its_processes(store, alone):
    f = Forecast(0, 0, 5, 0, 20.0, 12.0, 35.0, guessed=(), megabytes=135.2, memory=910.0)
    assert cost_words.cost(store, f).endswith(
        "Estimated: **135 MB** of disk, **910 MB** of memory, the most that a run took."
    )
    gpu = replace(f, device="cuda", memory=2345.0, at_once=2)
    assert "**2.3 GB** of GPU memory in each of 2 processes" in cost_words.room(gpu)
    assert [cost_words.megabytes(m) for m in (0.0, 3.21, 99.94, 999.4, 999.5)] == [
        "less than 0.1 MB", "3.2 MB", "99.9 MB", "999 MB", "1.0 GB",
    ]  # fmt: skip


@pytest.mark.parametrize(("took", "said"), [(20.0, "inside that range"), (11.0, "faster"), (36.0, "slower")])
def test_the_estimate_stands_beside_what_it_took(took, said):
    job = Job("0" * 32, "Study", "S", "done", 0.0, 50.0, (), 1, 1, "", "", took, Expected(20.0, 12.0, 35.0))
    text = cost_words.against(job)
    assert text.startswith(f"estimated 20 s (12 s to 35 s), took {took:.0f} s: ") and said in text
    assert cost_words.against(replace(job, state="running")) == ""
    assert cost_words.against(replace(job, expected=None)) == cost_words.against(replace(job, worked=None)) == ""
    assert cost_words.against(replace(job, expected=Expected(20.0, 20.0, 20.0))) == f"estimated 20 s, took {took:.0f} s"


def test_disk_and_memory_stand_beside_what_was_estimated_too():
    guess = Expected(20.0, 12.0, 35.0, 3.2, 410.0)
    job = Job("0" * 32, "Study", "S", "done", 0.0, 50.0, (), 1, 1, "", "", 20.0, guess, megabytes=2.5)
    text = cost_words.against(job, 395.0)
    assert text.endswith("; disk: estimated 3.2 MB, took 2.5 MB; memory: estimated 410 MB, took 395 MB")
    assert "memory" not in cost_words.against(job) and "disk" not in cost_words.against(replace(job, megabytes=None))


def test_a_reason_names_its_runs_the_runner_up_and_what_that_would_cost():
    sure = Advice(
        RandomLabel(), Estimate(0.9, 0.02, 10), 2.0, 0.4, 0.97, SalUn(), Estimate(0.8, 0.03, 10), 3.5,
        Estimate(0.1, 0.04, 10), 2, True, 20,
    )  # fmt: skip
    said = plan_parts.reason(sure, "memorization")
    over = "**0.900 ± 0.020** over 20 stored runs of 2 studies, from 10 original models; on parts"
    for part in (over, "within 0.1 of this one", "reads 0.40", "0.97"):
        assert part in said
    assert "Runner-up: SalUn, on the same models 0.100 less close (beyond the spread between them)" in said
    assert said.endswith(", 1.5 s more a run.") and "0.800" not in said  # its own mean may be over other models
    apart = plan_parts.reason(replace(sure, lead=None), "x")
    assert "Runner-up: SalUn, 0.800 ± 0.030, never run on the same models" in apart
    level = replace(sure, lead=Estimate(0.01, 0.04, 10), rival_seconds=1.0, alike=False)
    unsure = plan_parts.reason(level, "unsureness")
    assert "(within the spread between them), 1.0 s less a run" in unsure
    assert "nearest part of this study's own set; none is within 0.1 in mean unsureness" in unsure
    assert plan_parts.reason(replace(level, rival_seconds=2.04), "x").endswith(", no more time.")
    one = plan_parts.reason(
        replace(sure, tow=Estimate(0.9, None, 1), lead=Estimate(0.1, None, 1), studies=1, runs=1), "x"
    )
    assert "over one stored run, from one original model, which says little; on" in one and "spread" not in one
    as_good = plan_parts.reason(replace(sure, unlearner=Original(), lead=Estimate(-0.01, 0.02, 5)), "x")
    assert (
        "on the same models 0.010 closer, too little more to be worth a run" in as_good
        and "Leaving these" not in as_good
    )
    assert plan_parts.reason(replace(sure, rival=None), "x").endswith("Nothing else was run.")


def test_algorithms_that_do_not_fit_are_not_offered_and_say_why(plan_page, filled_store):
    at = plan_page(filled_store)
    assert "unsir" not in options(at, ".high") and "amnesiac" not in options(at, ".high")
    assert "amnesiac" in options(at, ".low") and options(at, ".high")[0] == "original"
    assert "UNSIR needs a forget set of whole classes" in words(at)
    # Chosen where it fits, and then moved to where it does not: it stays, and the reason is on screen.
    widget(at, ".low").select("amnesiac").run()
    assert not at.warning and not button(at, "Run this plan").disabled
    widget(at, ".order").select(("high", "medium", "low")).run()
    assert widget(at, ".low").value == "amnesiac" and "needs the training history" in at.warning[0].value
    assert button(at, "Run this plan").disabled


def options(at, ends: str) -> list[str]:
    """The names offered in a select of algorithms; a page test sees only how they are shown."""
    shown = {algorithms.label(name): name for name in ALGORITHMS}
    return [shown[label] for label in widget(at, ends).options]


# -- plans that ran on the same set before -----------------------------------------------------------------------------


def test_a_plan_that_was_edited_stands_beside_the_one_that_ran(plan_page, open_page, own_store, study, submitted):
    at = plan_page(own_store.root)
    assert not [m for m in at.multiselect if m.label == "Plans already run on this set"]  # it is the one on screen
    widget(at, ".high").select("fine-tune").run()
    assert widget(at, ".earlier").options == [f"RUM of Small example #{study.key[:4]}"]
    assert any(e.label.startswith("What runs beside it: 1 plan already run, ") for e in at.expander)
    assert "adds nothing: stored already" in words(at)  # the earlier plan and the single algorithms
    button(at, "Run plan + baselines").click().run()
    (asked,) = submitted
    present, earlier = asked.plans
    assert (present.name, present.high) == ("RUM", FineTune(epochs=2))
    assert earlier == study.spec.plans[0].but(name=f"RUM #{study.key[:4]}")

    made = fulfil(own_store, asked)
    both = OpenStudy.open(own_store, made.key)
    plans = both.means("group_tow").query("kind == 'plan'")
    assert list(plans["title"]) == ["RUM", f"RUM #{study.key[:4]}"]
    for seed in range(study.spec.seeds):  # the very runs that were stored
        assert both.run_result(plans.index[1], seed).key == study.run_result("rum", seed).key
    at = open_page("compare", own_store.root, study=made.key, compare="ranking")
    charts = " ".join(chart.proto.spec for chart in at.get("plotly_chart"))
    assert f"RUM #{study.key[:4]}" in charts and '"RUM"' in charts

    at = plan_page(own_store.root, study=made.key)  # a third plan on the same set has both beside it
    widget(at, ".high").select("original").run()
    assert len(widget(at, ".earlier").value) == 2
    widget(at, ".earlier").set_value([]).run()
    button(at, "Run plan + baselines").click().run()
    assert len(submitted[-1].plans) == 1
