"""Runs of other studies beside those of one: the very same references, or a sentence that says why not."""

import shutil

import pytest

from pages.shared import comparison_words as words
from pages.shared.numbers import spread
from pages.shared.text import escape
from unlearn_core.experiment import OpenStudy, TryEverything, fulfil, other_runs, trade_off
from unlearn_core.experiment import comparison as core
from unlearn_core.forget import AtRandom
from unlearn_core.params import BadValue, key
from unlearn_core.report import sections
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import FineTune, NegGradPlus


@pytest.fixture(scope="module")
def together(tmp_path_factory, filled_store, filled_study):
    """The finished small study in a store with others, and the specs of these by what is unlike in them."""
    root = shutil.copytree(filled_store, tmp_path_factory.mktemp("together") / "store")
    like = filled_study.but(plans=(), tuning_seeds=0)
    specs = {
        "ways": like.but(name="Other ways", unlearners=(FineTune(epochs=3), NegGradPlus(alpha=0.5))),
        "seeds": like.but(name="Fewer", unlearners=(FineTune(epochs=2),), seeds=2),
        "set": like.but(name="Another set", unlearners=(FineTune(epochs=2),), forget=AtRandom(size=20)),
    }
    store = Store(root)
    for spec in specs.values():
        fulfil(store, spec)
    return OpenStudy.open(store, key(filled_study)), specs


def test_runs_of_another_study_stand_on_the_very_same_references(together):
    study, specs = together
    other = next(o for o in other_runs.others(study) if o.key == key(specs["ways"]))
    assert not other.why and len(other.runs) == 2
    name = next(name for name in other.runs if name.startswith("neggrad-plus@"))
    joined, alone = other_runs.with_runs(study, (name,)), OpenStudy.open(study.store, other.key)
    for reference in ("original", "retrained", "retrained-again"):
        for seed in range(study.spec.seeds):
            assert alone.run_result(reference, seed).key == joined.run_result(reference, seed).key
    for metric in ("group_tow", "lira_auc", "test_accuracy"):
        here, there = joined.means(metric), alone.means(metric)
        assert here.loc[name, "mean"] == pytest.approx(there.loc["neggrad-plus", "mean"])
        assert here.drop(name).equals(study.means(metric))
    assert trade_off.trade_off(joined).loc[name, "title"] == f"NegGrad+, Other ways #{other.key[:4]}"
    assert core.owners(joined) == core.owners(study)
    assert joined is other_runs.with_runs(study, (name,)) and other_runs.with_runs(study, ()) is study


def test_other_plans_of_the_same_images_are_counted_beside_one(filled_store, filled_study, tmp_path, open_page):
    """One plan that fell behind is not all that is known of plans."""
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    study = OpenStudy.open(store, key(filled_study))
    assert other_runs.other_plans(study).empty
    plan = Plan(low=FineTune(epochs=2), medium=FineTune(epochs=2), high=NegGradPlus(epochs=2))
    asked = filled_study.but(name="Planned", plans=(plan,), unlearners=(FineTune(epochs=2),), controls=False)
    other = OpenStudy.open(store, fulfil(store, asked).key)
    found = other_runs.other_plans(study)
    assert list(found["title"]) == [f"{plan.name}, Planned #{other.key[:4]}"]
    assert found["mean"].iloc[0] == pytest.approx(other.means("group_tow").loc["rum", "mean"])
    said = open_page("compare", store.root, study=study.key).markdown[1].value
    assert "1 other plan of these images is stored" in said and escape(found["title"].iloc[0]) in said
    assert "does not show" not in said


def test_a_plan_of_one_part_is_told_by_its_algorithm_alone(filled_store, filled_study, tmp_path):
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    whole = Plan(low_cut=0.0, high_cut=1.0, medium=NegGradPlus(epochs=1))
    asked = filled_study.but(plans=(whole,), unlearners=(FineTune(epochs=2),), controls=False, tuning_seeds=0)
    study = OpenStudy.open(store, fulfil(store, asked).key)
    (found,) = core.plan_against_best_single(study)
    assert "**RUM** (all images: NegGrad+) against" in words.plan_verdict(study, found)
    (step,) = sections._done(study, "rum")["steps"]
    assert step["on"] == "all images (30)" and step["algorithm"] == "NegGrad+"


def test_plans_that_ran_on_fewer_models_are_said_to_exist(filled_store, filled_study, tmp_path, open_page):
    """Those of “Try everything” and of studies of fewer seeds, each once, and never the study's own."""
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    study = OpenStudy.open(store, key(filled_study))
    assert other_runs.plans_elsewhere(study).empty
    assert "No other plan of these images" in open_page("compare", store.root, study=study.key).markdown[1].value

    fewer = filled_study.but(name="Fewer", unlearners=(), controls=False, tuning_seeds=0, seeds=2)
    plan = Plan(low=FineTune(epochs=2), medium=FineTune(epochs=2), high=NegGradPlus(epochs=2))
    fulfil(store, fewer.but(plans=(plan,)))
    found = other_runs.plans_elsewhere(study)
    assert found[["tried", "seeds"]].to_numpy().tolist() == [[False, 2]]
    said = words.other_plans(study)
    assert "1 other plan of these images ran on 2 of these 3 models" in said and "studies of fewer seeds" in said

    shared = {"training": study.spec.training, "models": study.spec.models, "forget": study.spec.forget, "seeds": 2}
    given = study.spec.plans[0]
    own = given.but(**{p: study.best.get(getattr(given, p), getattr(given, p)) for p in PARTS})
    more = plan.but(high=FineTune(epochs=1))
    fulfil(store, TryEverything(**shared, unlearners=(), plans=(own, plan, more)))
    found = other_runs.plans_elsewhere(study)
    assert list(found["tried"]) == [True, True] and found["mean"].is_monotonic_decreasing
    said = open_page("compare", store.root, study=study.key).markdown[1].value
    closest = spread(*found[["mean", "half_width"]].iloc[0])
    assert "2 other plans of these images ran on 2 of these 3 models and are ranked under “Try everything" in said
    assert f"the closest reads group ToW {closest}." in said and "No other plan" not in said


def test_what_stands_on_other_models_or_images_is_refused_in_one_sentence(together):
    study, specs = together
    told = {o.key: o.why for o in other_runs.others(study)}
    assert "has 2 seeds and this study 3" in told[key(specs["seeds"])]
    assert told[key(specs["set"])].endswith("forgets other images.")
    with pytest.raises(BadValue, match="forgets other images"):
        other_runs.with_runs(study, (f"fine-tune@{key(specs['set'])[:8]}",))
    for wrong in ("fine-tune@", "nonsense@" + key(specs["ways"])[:8], "fine-tune@00000000"):
        with pytest.raises(BadValue, match="no further run"):
            other_runs.with_runs(study, (wrong,))


def test_the_same_runs_are_not_offered_twice(together):
    study, specs = together
    again = specs["ways"].but(name="Once more")
    fulfil(study.store, again)
    offered = {o.key: o.runs for o in other_runs.others(study)}
    assert sorted(map(len, (offered[key(specs["ways"])], offered[key(again)]))) == [0, 2]
    # From the other side there are more seeds than it has, and the first are taken.
    fewer = OpenStudy.open(study.store, key(specs["seeds"]))
    name = next(n for o in other_runs.others(fewer) for n in o.runs if n.startswith("neggrad-plus@"))
    assert sorted(other_runs.with_runs(fewer, (name,)).table["seed"].unique()) == [0, 1]


def test_only_the_newest_studies_are_looked_through(together, monkeypatch):
    """Many thousand may be in a store, and each click asks."""
    study, _ = together
    newest = next(r.key for r in study.store.results("Study") if r.key != study.key)
    monkeypatch.setattr(other_runs, "NEWEST", 1 + (next(study.store.results("Study")).key == study.key))
    assert [o.key for o in other_runs.others(study)] == [newest]


def test_compare_shows_a_run_of_another_study_or_says_why_not(together, open_page):
    study, specs = together
    here = {"study": study.key, "compare": "trade-off"}
    name, bad = f"neggrad-plus@{key(specs['ways'])[:8]}", f"fine-tune@{key(specs['set'])[:8]}"
    at = open_page("compare", study.store.root, methods=f"rum,{name},{bad}", **here)
    assert not at.error and sorted(at.multiselect[0].value) == sorted(["rum", name])
    assert any("**NegGrad+, Other ways" in m.value for m in at.markdown)
    assert len(at.warning) == 1 and "forgets other images" in at.warning[0].value
    for view in ("predictions", "classes", "images", "layers"):
        at = open_page("compare", study.store.root, methods=f"rum,{name}", **(here | {"compare": view}))
        assert not at.error and (name in at.multiselect[0].value) == (view != "layers")
    at = open_page("compare", study.store.root, methods=f"{name},rum", **(here | {"compare": "maps"}))
    assert not at.error and at.selectbox(key="address.of").value == "rum" and not at.multiselect
