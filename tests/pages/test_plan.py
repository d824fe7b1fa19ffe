"""The Plan page: cuts, algorithms, what is suggested, what it costs, and what the button submits."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pages.shared import cost_words, found_plans, plan_editor, plan_file
from unlearn_core.experiment import PlanSearch, fulfil
from unlearn_core.experiment.forecast import Forecast
from unlearn_core.experiment.views import Suggestion
from unlearn_core.forget import Picked
from unlearn_core.params import BadValue, build, canonical, plain
from unlearn_core.progress import Cancelled
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGradPlus, Original, RandomLabel, SalUn, Scrub


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
    assert "the study's own set of 30 images in 3 steps: Leave as it is on 10 low, then Fine-tune on 10 medium" in said
    assert "Nothing is left to compute" in words(at)
    assert "plan" not in at.query_params

    button(at, "Run this plan").click().run()
    (asked,) = submitted
    assert asked.but(name=study.spec.name) == study.spec  # untouched widgets change no third into 0.33
    assert at.title[0].value == "Runs"


def test_cuts_by_number_of_images(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert cut_slider(at).value == (10, 20)
    cut_slider(at).set_value((6, 30)).run()
    assert "Leave as it is on 6 low, then Fine-tune on 24 medium." in at.markdown[0].value
    assert "This part is empty" in at.warning[0].value
    assert "unlearning runs" in words(at) and "stored results are used again" in words(at)

    button(at, "Run this plan").click().run()
    (plan,) = submitted[0].plans
    cut = study.refine(plan, study.forget)
    assert [len(rows) for rows in cut.values()] == [6, 24, 0]


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

    button(at, "Run this plan").click().run()
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
    assert at.markdown[0].value.startswith("**Mine** forgets")
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


def test_suggestions_are_taken_over(plan_page, filled_store, study):
    at = plan_page(filled_store)
    button(at, "Use what is suggested").click().run()
    for part in ("low", "medium", "high"):
        algorithm = study.suggestion(part).unlearner.title
        assert f"{algorithm} on 10 {part}" in at.markdown[0].value
    assert button(at, "Use what is suggested").disabled
    assert words(at).count("Suggested: **") == 3


def test_nothing_is_suggested_for_a_whole_class(plan_page, filled_store, study):
    rows = ",".join(map(str, np.flatnonzero(study.labels == 3)))
    at = plan_page(filled_store, forget=rows)
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


def test_the_search_that_is_asked_for_is_the_one_that_starts(plan_page, filled_store, study, submitted):
    at = plan_page(filled_store)
    assert "64 plans to try" in words(at) and "12 runs to confirm the best" in words(at)
    cut_slider(at).set_value((6, 20)).run()
    widget(at, ".order").select(("high", "medium", "low")).run()
    widget(at, ".algorithms").set_value(["random-label", "scrub"]).run()
    widget(at, ".rates").set_value([0.3, 1.0]).run()
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


def test_a_found_plan_is_confirmed_explained_and_used(plan_page, own_store, small_search, submitted):
    summary = fulfil(own_store, small_search).json("summary")
    at = plan_page(own_store.root)
    (found,) = summary["plans"]
    assert f"different plans read **{found['tuning']:.3f}**" in words(at)
    table = next(e.value for e in at.dataframe if "confirmed" in e.value)
    assert list(table["what"]) == ["Plan 1", "One for all", "RUM", "Retrained"]  # the study's own plan beside it
    assert table["confirmed"][0].startswith(f"{found['confirmed']['mean']:.3f} ±")

    button(at, "Use this plan").click().run()
    assert at.markdown[0].value.startswith("**Found 1** forgets")
    assert widget(at, ".tuning_seeds").value == 0
    widget(at, ".controls").uncheck().run()
    assert "Nothing is left to compute" in words(at)  # what the search confirmed is what a study would run
    button(at, "Run this plan").click().run()
    assert submitted[0].plans == (build(found["plan"]),) and submitted[0].tuning_seeds == 0


def test_a_stopped_search_shows_what_it_has_and_goes_on(plan_page, own_store, small_search, submitted):
    def stop(stage, done, total):
        if stage == "single algorithms":
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(own_store, small_search, stop)
    at = plan_page(own_store.root)
    (table,) = [e.value for e in at.dataframe if "score" in e.value]
    assert len(table) == 5 and list(table["score"]) == sorted(table["score"], reverse=True)
    button(at, "Go on with this search").click().run()
    assert submitted == [small_search]


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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((3.8, 3.4, 234.0), "Between **3.4 s** and **3 min 54 s**, by the runs seen here, plus a few seconds to start"),
        ((20.0, 12.0, 35.0), "About **20 s**, plus a few seconds to start: 5 unlearning runs"),
    ],
)
def test_a_range_is_given_where_one_number_would_promise_too_much(seconds, said):
    assert said in cost_words.cost(Forecast(0, 0, 5, 0, *seconds, guessed=()))


def test_a_reason_names_the_runner_up_and_its_doubt():
    sure = Suggestion(RandomLabel(), 0.9, SalUn(), 0.8, True, 0.97, 5)
    said = plan_editor.reason(sure, "high")
    for part in ("**Random-label**", "**0.90**", "SalUn 0.80", "0.97", "5 seeds", "behind by more than the spread"):
        assert part in said
    unsure = Suggestion(RandomLabel(), 0.9, SalUn(), 0.89, False, 0.97, 5)
    assert "within the spread" in plan_editor.reason(unsure, "low")
    one = Suggestion(RandomLabel(), 0.9, SalUn(), 0.8, None, 0.97, 1)
    assert "says little" in plan_editor.reason(one, "low") and "spread" not in plan_editor.reason(one, "low")
    as_good = Suggestion(Original(), 0.9, SalUn(), 0.91, False, 0.97, 5)
    assert "worth a run" in plan_editor.reason(as_good, "low")
