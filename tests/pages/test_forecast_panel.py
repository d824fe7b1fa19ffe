"""What to expect before a run, and everything on one set, on the Plan page."""

import json
import re
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pages.shared import (
    cost_words,
    forecast_panel,
    landscape_chart,
    landscape_offer,
    law_words,
    plan_file,
    try_everything,
)
from pages.shared.text import duration
from pages.shared.try_everything import plan_of
from unlearn_core.experiment import Landscape, OpenStudy, TryEverything, fulfil, studies
from unlearn_core.experiment.difficulty import Difficulty, difficulty
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.landscape import SLOW, usual
from unlearn_core.experiment.landscape_sets import Seen, facts_of, seen
from unlearn_core.experiment.reach import planned
from unlearn_core.experiment.run_times import never_run, run_seconds
from unlearn_core.experiment.set_times import expected, timed
from unlearn_core.experiment.study import short_name
from unlearn_core.experiment.try_everything import attempts, board
from unlearn_core.experiment.unlearned_models import Run, request_of
from unlearn_core.rows import pack
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGrad, Scrub
from unlearn_core.words import spread

FEW = (FineTune(epochs=2), NegGrad(epochs=1))


@pytest.fixture
def plan_page(open_page):
    return partial(open_page, "plan")


@pytest.fixture(scope="module")
def mapped(filled_store, filled_study, tmp_path_factory) -> Store:
    """The small study with a landscape of its images."""
    root = tmp_path_factory.mktemp("mapped") / "store"
    shutil.copytree(filled_store, root)
    shared = {"training": filled_study.training, "models": filled_study.models, "originals": 2}
    fulfil(Store(root), Landscape(**shared, unlearners=FEW, sets=32, sizes=(20, 40)))
    return Store(root)


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption, *at.info))


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def test_without_a_landscape_the_panel_says_what_one_costs_and_starts_it(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert "136 models to train and 1,280 unlearning runs on 64 sets" in words(at)
    assert f"It takes **{cost_words.megabytes(peak(study)[0])}** of memory" in words(at)
    button(at, "Measure the landscape").click().run()
    (asked,) = submitted
    assert isinstance(asked, Landscape) and asked.bank == study.spec.bank and asked.sets == 64


def test_all_algorithms_are_a_choice_too_and_what_is_not_known_of_their_time_is_said(
    plan_page, filled_store, submitted
):
    at = plan_page(filled_store, pace="every")
    (which,) = (w for w in at.segmented_control if w.label == "Which algorithms")
    quick, every = usual(slow=False), usual()
    assert [which.value, which.options] == ["every", [f"The {len(quick)} quick ones", f"All {len(every)}"]]
    assert f"{64 * (1 + len(every)):,} unlearning runs on 64 sets" in words(at)
    assert re.search(r"More than \*\*.+\*\*, how much more nobody knows yet", words(at))
    assert f"{len(SLOW)} of these algorithms are known as slow and were never timed by themselves here" in words(at)
    button(at, "Measure the landscape").click().run()
    (asked,) = submitted
    assert asked.unlearners == every and asked.sets == 64


def test_a_measured_landscape_can_be_given_more_sets_or_algorithms(plan_page, mapped, submitted):
    """And keeps all else that it was measured by, so that what is there is not made anew."""
    (measured,) = (found.spec() for found in mapped.results("Landscape"))
    at = plan_page(mapped.root)
    sets, which = (w for w in at.segmented_control if w.label in ("How many sets", "Which algorithms"))
    added = [u for u in usual() if type(u) not in (FineTune, NegGrad)]
    assert sets.options == ["32 sets", r"Preview\: 64 sets", "256 sets"]
    assert [which.value, which.options] == ["every", ["These 2", f"All {2 + len(added)}"]]
    button(at, "Measure the landscape").click().run()
    assert submitted[0] == measured.but(unlearners=(*FEW, *added))


def test_the_landscape_that_there_is_is_not_offered_again(plan_page, mapped, monkeypatch):
    at = plan_page(mapped.root, pace="quick")
    assert "This is the landscape that the forecast rests on." in words(at)
    assert "Measure the landscape" not in [b.label for b in at.button]
    monkeypatch.setattr(landscape_offer, "usual", lambda: FEW)
    monkeypatch.setattr(landscape_offer, "SETS", (32,))
    at = plan_page(mapped.root)
    assert not any(w.label == "How many sets" for w in at.segmented_control)  # nothing would be added


def test_whether_the_set_in_hand_would_be_covered_is_said_before_anything_is_measured(plan_page, filled_store):
    said = words(plan_page(filled_store, forget="0-299"))
    outside = "Your set would lie **outside** what 64 or 256 sets cover, so it would have no forecast: "
    assert f"{outside}its number of images is 300, while they have 20 to 120." in said
    said = words(plan_page(filled_store, forget="0-59"))  # images in no order: much like a random set
    assert "Your set would lie **inside** what" in said and "256 sets cover, so it would have a forecast." in said


def test_the_sizes_of_a_landscape_are_told_apart_where_they_differ():
    told = landscape_offer.covers({48: "its *size* is 9", 240: ""})
    assert "**outside** what 48 sets cover" in told[0] and r"its \*size\* is 9." in told[0]
    assert "**inside** what 240 sets cover" in told[1] and len(told) == 2
    assert len(landscape_offer.covers({48: "", 240: ""})) == 1


def test_what_is_foretold_of_the_reach_is_what_is_measured(mapped):
    found = next(mapped.results("Landscape"))
    spec, taught = found.spec(), difficulty(found)
    about = seen(mapped, spec.bank)
    reach = planned(about, spec)
    pd.testing.assert_frame_equal(reach.facts, taught.facts, check_names=False)
    for rows in (np.arange(300), np.arange(0, 630, 23), np.arange(40)):
        facts = facts_of(about, rows)
        assert bool(reach.why_not(facts)) == bool(taught.outside(facts))
    many = facts_of(about, np.arange(300)) | {"size": 12_600}
    assert "number of images is 12,600, while" in reach.why_not(many)
    # Sets of a small landscape are the first of a large one, and none of these lies outside of itself.
    larger = planned(about, spec.but(sets=64))
    pd.testing.assert_frame_equal(larger.facts.head(32), reach.facts)
    assert sum(not larger.why_not(line) for line in larger.facts.to_dict("records")) == 64


def test_the_forecast_of_the_set_in_hand(plan_page, mapped):
    at = plan_page(mapped.root)
    study = OpenStudy.open(mapped, studies(mapped)[0].key)
    facts = facts_of(
        Seen(study.labels, study.memorization.scores, -study.proxy("confidence"), study.sums), study.forget
    )
    taught = difficulty(next(mapped.results("Landscape")))
    if taught.outside(facts):
        assert "No forecast for this set" in words(at)
    else:
        best = taught.forecast(facts).iloc[0]
        surest = f"**{best['title']}** is the surest to come close to retraining: ToW **{best['tow']:.2f}**"
        assert surest in words(at) and forecast_panel.WHOLE in words(at)
    assert "They go by ToW, enough for a part alone; Compare ranks whole methods by group ToW" in words(at)
    assert "The law here, between sets alike in number of images, number of classes and largest share" in words(at)
    assert "95 % over 2 original models" in words(at) and "this is a preview" in words(at)


def test_those_that_cannot_be_told_from_the_first_are_named():
    lines = {"tow": 0.9, "low": 0.8, "high": 1.0}
    table = pd.DataFrame([{"title": title} | lines for title in "ABCDEFGH"])
    says = "The order goes by the lower end of the interval"
    told = forecast_panel._sentence(table, 0.97)
    assert "where two retrained models read 0.97." in told and says in told
    assert "Only a run can tell it from B, C, D, E and 3 more: " in told
    assert "Only a run can tell it from B and C: " in forecast_panel._sentence(table[:3], None)
    assert "Only a run can tell it from B: " in forecast_panel._sentence(table[:2], None)
    none = table.assign(high=[1.0, *[0.85] * 7])
    assert "No interval of the 7 others reaches as high." in forecast_panel._sentence(none, None)


@pytest.mark.parametrize("measure", landscape_chart.MEASURES)
def test_the_chart_shows_each_measured_set_behind_the_line(mapped, measure):
    """Each algorithm has its sets, a band and a line at both factors."""
    taught = difficulty(next(mapped.results("Landscape")))
    facts = taught.facts[[not taught.outside(line) for line in taught.facts.to_dict("records")]].iloc[0].to_dict()
    names = ["fine-tune", "neggrad"]
    fig = landscape_chart.draw(taught, facts, names, "Title", measure)
    assert fig.layout.yaxis.title.text == landscape_chart.MEASURES[measure]
    for axis, factor in (("x", "memorization"), ("x2", "entanglement")):
        for name in names:
            sets, line = (
                next(t for t in fig.data if (t.xaxis, t.legendgroup, t.mode) == (axis, name, mode))
                for mode in ("markers", "lines")
            )
            own = taught.table[taught.table["algorithm"] == name].sort_values("set")
            np.testing.assert_allclose(sets.x, own[factor], rtol=1e-5)
            np.testing.assert_allclose(sets.y, own[measure], rtol=1e-5, atol=1e-7)
            said = taught.along(name, factor, facts, measure)
            np.testing.assert_allclose(line.x, said["at"])
            np.testing.assert_allclose(line.y, said["said"])
    assert len({t.marker.symbol for t in fig.data if t.mode == "markers"}) == 2  # never by colour alone


def covered(study, store) -> np.ndarray:
    """Rows of a set that the landscape speaks of."""
    about = Seen(study.labels, study.memorization.scores, -study.proxy("confidence"), study.sums)
    taught = difficulty(next(store.results("Landscape")))
    drawn = (np.sort(np.random.default_rng(seed).choice(len(study.labels), 30, False)) for seed in range(50))
    return next(rows for rows in drawn if not taught.outside(facts_of(about, rows)))


def test_closeness_and_attack_are_one_click_apart(plan_page, mapped):
    study = OpenStudy.open(mapped, studies(mapped)[0].key)
    rows = covered(study, mapped)
    at = plan_page(mapped.root, forget=",".join(map(str, rows)))

    def axis() -> str:
        titles = [json.loads(c.proto.spec)["layout"]["yaxis"]["title"].get("text") for c in at.get("plotly_chart")]
        return next(title for title in titles if title in landscape_chart.MEASURES.values())

    assert axis() == "Closeness to retraining (ToW)" and "one of 32 measured sets" in words(at)
    at.segmented_control(key="address.expected").set_value("auc_gap").run()
    assert axis() == "Attack AUC minus the retrained model's" and "0 is the target" in words(at) and not at.exception


def test_a_set_unlike_all_others_is_refused_with_the_reason(plan_page, mapped):
    at = plan_page(mapped.root, forget="0-299")
    assert "No forecast for this set" in words(at) and "number of images is 300" in words(at)
    assert "The law here" in words(at)  # what was learned of other sets stays


def test_what_counts_once_and_what_cannot_be_told_is_said(mapped):
    table = next(mapped.results("Landscape")).table()
    words = SimpleNamespace(score_words=SimpleNamespace(name="memorization"))
    twin = table[table["algorithm"] == "neggrad"].assign(algorithm="twin", title="Twin *of it*")
    taught = Difficulty(pd.concat([table, twin], ignore_index=True).assign(entanglement=0.5, size=20.0))
    assert forecast_panel._twins(taught).endswith(r"read the same: NegGrad and Twin \*of it\*.")
    law = law_words.law(taught, words)
    assert "For entanglement nothing can be told" in law and "of 2 algorithms" in law  # and not of 3
    assert law.startswith("**The law here, between sets alike in number of classes and largest share of a class.**")
    assert "Not held fixed, because it is the same in all sets or follows from the rest: number of images" in (
        law_words.basis(taught)
    )


def test_everything_is_asked_for_with_what_the_study_found(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    button(at, "Try everything").click().run()
    (asked,) = submitted
    assert isinstance(asked, TryEverything) and asked.forget == study.spec.forget and asked.bank == study.spec.bank
    assert study.run_result("random-label", 0).spec().unlearner in asked.unlearners
    own = study.spec.plans[0]
    assert asked.plans[0] == own.but(
        high=study.best.get(own.high, own.high), medium=study.best.get(own.medium, own.medium)
    )
    assert asked.seeds == 3


def test_what_is_finished_is_on_the_board_and_can_be_taken_over(plan_page, filled_store, submitted, tmp_path):
    shutil.copytree(filled_store, tmp_path / "own")
    store = Store(tmp_path / "own")
    at = plan_page(store.root)
    button(at, "Try everything").click().run()
    (asked,) = submitted
    todo = attempts(store, asked)
    for tried in (todo[0], todo[1], next(t for t in todo if t.title == "NegGrad")):
        fulfil(store, tried.attempt)

    at = plan_page(store.root)
    table = board(store, todo)
    best = table[table["kind"] != "reference"].iloc[0]
    assert f"**{best['title']}** is closest to retraining so far" in words(at)
    shown = next(d.value for d in at.dataframe if "what" in d.value)  # the target first, in the same columns
    assert shown["what"].iloc[0] == "Retrained" and shown["group_tow"].iloc[0] == "the target"
    assert shown["attack_auc"].iloc[0].startswith("0.") and (shown["what"] == "Retrained").sum() == 1
    again = table[table["title"] == "Retrained again"].iloc[0]
    ceiling = spread(again["group_tow"], again["group_tow_half"])
    assert f"Two retrained models of the same 3 seeds read {ceiling}." in words(at) and "Compare goes by" not in words(
        at
    )
    few = try_everything._ceiling(SimpleNamespace(spec=SimpleNamespace(seeds=5)), table, 3)
    assert few.endswith(f"read {ceiling}. This study has 5 seeds, so Compare has other numbers.")
    which = next(s for s in at.selectbox if s.key == "everything.which")
    assert len(which.options) == 2
    number = next(i for i, t in enumerate(todo) if t.title == "NegGrad")
    which.set_value(number).run()
    button(at, "Use as plan").click().run()
    plan = plan_of(todo[number])
    assert plan.low == plan.high == todo[number].attempt.unlearner
    assert "in 1 step: NegGrad on all 30 images" in at.markdown[0].value
    took = table.set_index("number").loc[number, "seconds"]  # what the table says, and no guess
    assert f"this plan took **{duration(took)}**" in at.markdown[0].value
    assert "guessed: NegGrad." not in words(at)
    # Whose part it is as a plan says nothing of its images, which are all there are.
    assert "NegGrad on all images" in words(at) and "medium with" not in words(at)


def test_what_is_taken_over_follows_the_closest_until_another_is_picked(plan_page, filled_store, submitted, tmp_path):
    shutil.copytree(filled_store, tmp_path / "own")
    store = Store(tmp_path / "own")
    at = plan_page(store.root)
    button(at, "Try everything").click().run()
    todo = attempts(store, submitted[0])
    numbers = {t.title: i for i, t in enumerate(todo)}

    def closest() -> int:
        return int(board(store, todo).loc[lambda t: t["kind"] != "reference", "number"].iloc[0])

    def box():
        return next(s for s in at.selectbox if s.key == "everything.which")

    for tried in (todo[0], todo[numbers["NegGrad"]]):
        fulfil(store, tried.attempt)
    at.run()
    assert box().value == numbers["NegGrad"]
    fulfil(store, todo[1].attempt)
    at.run()
    assert box().value == closest() == 1  # and not what it was drawn with
    box().set_value(numbers["NegGrad"]).run()
    fulfil(store, todo[numbers["Fine-tune"]].attempt)
    at.run()
    assert box().value == numbers["NegGrad"] != closest()


def test_nothing_is_said_to_be_timed_that_was_not(plan_page, filled_store):
    shown = plan_page(filled_store, plan=plan_file.to_address(Plan(high=Scrub()))).markdown[0].value
    assert "whether this plan would nobody knows yet: SCRUB was never timed." in shown and "by the runs" not in shown


def test_the_seconds_of_the_forecast_are_those_that_all_else_goes_by(plan_page, mapped):
    """Of one set: what the study timed, and of what it did not time the landscape's, which stands for the others."""
    study = OpenStudy.open(mapped, studies(mapped)[0].key)
    landscape = next(mapped.results("Landscape")).spec()
    seconds = expected(study, study.forget, landscape)
    assert seconds["fine-tune"] == pytest.approx(run_seconds(study, FineTune(epochs=2))[0])
    assert not never_run(study, landscape.unlearners, timed(study, study.forget))
    at = plan_page(mapped.root, forget=",".join(map(str, covered(study, mapped))))
    table = next(d.value for d in at.dataframe if "Off by" in d.value)
    assert dict(zip(table["Algorithm"], table["Time"], strict=True)) == {
        u.title: duration(seconds[short_name(u)]) for u in FEW
    }


def test_an_algorithm_that_was_tried_runs_as_a_plan_too(study):
    """Also one that needs the history of the original, which a later part of a plan has no more."""
    tried = SimpleNamespace(plan=None, attempt=SimpleNamespace(unlearner=ALGORITHMS["amnesiac"]()))
    plan = plan_of(tried)
    rum = plan.resolve(study.refine(plan, study.forget))
    assert [part.rows for part in rum.parts] == [pack(study.forget)]
    rum.refuse(request_of(study.store, Run(training=study.spec.training, forget=pack(study.forget), unlearner=rum)))
