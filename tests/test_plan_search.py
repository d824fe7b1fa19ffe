"""A search for a plan: nothing is sampled in silence, nothing finished is lost, and reported models have no say."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from unlearn_core.cli import app
from unlearn_core.experiment import OpenStudy, Run, fulfil, spread
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.model_seeds import TUNING
from unlearn_core.experiment.search import (
    BestSoFar,
    PlanSearch,
    SearchRound,
    begun,
    ground,
    ranked,
    so_far,
    trials_of,
    try_all,
)
from unlearn_core.experiment.search_cost import search_cost
from unlearn_core.experiment.search_space import Space
from unlearn_core.experiment.shown import study_of
from unlearn_core.experiment.side_by_side import unlearn_plans
from unlearn_core.experiment.trained_models import train_all
from unlearn_core.experiment.unlearned_models import run_all, unlearn
from unlearn_core.params import BadValue, build, key, plain
from unlearn_core.progress import Cancelled
from unlearn_core.rum import Plan, Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGradPlus, Original, RandomLabel, Retrain, SalUn


@pytest.fixture
def copied(filled_store, tmp_path) -> Store:
    """A store of our own with the results of the small study."""
    shutil.copytree(filled_store, tmp_path / "copy")
    return Store(tmp_path / "copy")


@pytest.fixture
def search(filled_study) -> PlanSearch:
    """Eight plans: on each part nothing or a short relabelling."""
    return PlanSearch(
        training=filled_study.training,
        models=filled_study.models,
        forget=filled_study.forget,
        algorithms=(RandomLabel(epochs=2, lr=0.1),),
        method="grid",
        trials=8,
        together=4,
        tuning_seeds=1,
        seeds=2,
        best=2,
    )


def finished(store: Store, kind: type) -> list:
    return [result.spec() for result in store.results(kind.__name__)]


def same(a, b) -> bool:
    return a.drop(columns="seconds").equals(b.drop(columns="seconds"))


# -- what may be asked -------------------------------------------------------------------------------------------------


def test_a_grid_that_is_too_large_is_refused_with_its_size(search):
    for changes, size in (({"trials": 7}, "8"), ({"rates": (0.3, 1, 3)}, "64"), ({"orders": "all"}, "48")):
        with pytest.raises(BadValue, match=f"has {size} plans") as error:
            search.but(**changes)
        assert "\n" not in str(error.value)
    assert search.but(orders="all", trials=48).space(("low", "medium", "high")).size == 48
    assert len(list(search.space(("low", "high")).grid())) == 4  # nothing is tried on an empty part


@pytest.mark.parametrize(
    "changes", [{"algorithms": ()}, {"algorithms": (Retrain(),)}, {"rates": ()}, {"rates": (0,)}, {"rates": ("1",)}]
)
def test_what_cannot_be_searched_is_refused(search, changes):
    with pytest.raises(BadValue):
        search.but(**changes)


def test_the_algorithms_of_the_plan_do_not_change_what_a_search_is(search):
    other = search.but(plan=Plan(name="Other", low=SalUn()))
    assert key(other) == key(search) and build(plain(search)) == search
    assert key(search.but(plan=Plan(by="entanglement"))) != key(search)


def test_factors_stay_within_the_range_of_a_rate(search):
    space = search.but(method="optuna", rates=(1000, 1, 0.1), algorithms=(FineTune(lr=0.1), Original())).space(())
    assert space.choices == ((Original(),), (FineTune(lr=0.01), FineTune(lr=0.1), FineTune(lr=10.0)))


# -- a search ----------------------------------------------------------------------------------------------------------


def test_a_planted_best_plan_is_found_and_confirmed(copied, search):
    """A rate of 10 ruins the model, so the best plans do without it, and the others lie far below."""
    search = search.but(algorithms=(FineTune(epochs=1, lr=10.0),), seeds=2)
    summary = fulfil(copied, search).json("summary")
    table = trials_of(copied, search)
    assert len(table) == 8 and list(table["trial"]) == list(range(8))
    leading = ranked(table)
    first, score = build(json.loads(leading["plan"].iloc[0])), leading["group_tow"].iloc[0]
    assert (first.low, first.medium, first.high) == (Original(),) * 3 and leading["trial"].iloc[0] == 0
    assert all(leading["group_tow"].iloc[1:] < score - 0.2)
    best = summary["plans"][0]
    assert build(best["plan"]) == first.but(name="Found 1") and best["tuning"] == score
    assert best["optimism"] == pytest.approx(score - best["confirmed"]["mean"])
    assert best["confirmed"]["n"] == 2 and summary["ceiling"]["mean"] > best["confirmed"]["mean"] - 0.1


def test_confirmed_plans_are_the_runs_that_a_study_finds(copied, search):
    summary = fulfil(copied, search).json("summary")
    on = ground(copied, search)
    for found in summary["plans"]:
        rum = build(found["plan"]).resolve(on.cut)
        for seed in range(2):
            assert copied.find(
                Run(training=search.training.but(seed=seed), forget=on.trial(rum).forget, unlearner=rum, seed=seed)
            )
    assert search_cost(OpenStudy.open(copied, copied_study(copied)), search).seconds == 0


def copied_study(store: Store) -> str:
    return next(store.results("Study")).key


def test_the_best_of_a_stopped_search_are_confirmed_as_those_of_a_whole_one(copied, search):
    assert so_far(copied, search) is None  # nothing was tried yet
    fulfil(copied, SearchRound(search=search, number=0))
    wanted = so_far(copied, search)
    assert wanted == BestSoFar(search=search, rounds=1)
    study = OpenStudy(copied, next(copied.results("Study")))
    left, whole = search_cost(study, search, so_far=True), search_cost(study, search)
    assert (left.trials, whole.trials) == (0, 4) and 0 < left.seconds < whole.seconds and left.runs == whole.runs
    assert (left.memory, left.device) == peak(study)
    found = fulfil(copied, wanted).json("summary")
    assert found["trials"] == 4 and len(found["plans"]) == search.best and copied.find(search) is None
    tried = trials_of(copied, search)
    assert len(tried) == 4 and [p["trial"] for p in found["plans"]] == list(ranked(tried)["trial"][: search.best])
    for plan in found["plans"]:
        assert plan["confirmed"]["n"] == search.seeds
    # The search goes on as if nothing had been confirmed; of all its rounds the best are those of the whole search.
    whole = fulfil(copied, search).json("summary")
    every = fulfil(copied, so_far(copied, search)).json("summary")
    assert every | {"name": whole["name"]} == whole
    assert study_of(copied, wanted) == study_of(copied, search)


def test_a_stopped_search_keeps_its_trials_and_goes_on_with_the_others(copied, search, tmp_path):
    shutil.copytree(copied.root, tmp_path / "whole")
    whole = Store(tmp_path / "whole")
    fulfil(whole, search)

    def stop(stage, done, total):
        if stage == "trials" and done > total / 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(copied, search, stop)
    kept = trials_of(copied, search)
    assert list(kept["trial"]) == [0, 1, 2, 3] and copied.find(search) is None
    assert begun(copied, search.bank, search.forget) == [search]
    assert begun(copied, search.bank.but(models=11), search.forget) == []
    before = {key: (copied.root / "results/PlanTrial" / key).stat().st_mtime_ns for key in kept["result"]}

    after = fulfil(copied, search).json("summary")
    assert {key: (copied.root / "results/PlanTrial" / key).stat().st_mtime_ns for key in kept["result"]} == before
    assert same(trials_of(copied, search), trials_of(whole, search))
    assert after == whole.find(search).json("summary")


def test_reported_models_have_no_say(copied, search, monkeypatch):
    """Until the last trial is in, nothing of a reported seed is trained or run, and none of their results is read."""
    for kind in ("Run", "Training", "Study", "Map", "Embedding", "Tuning"):
        shutil.rmtree(copied.root / "results" / kind)
    seen, looked = [], []
    find = Store.find

    def spy(store, spec):
        if isinstance(spec, (Run, Training)):
            looked.append(spec.training.seed if isinstance(spec, Run) else spec.seed)
        return find(store, spec)

    def tell(stage, done, total):
        if stage in ("data", "forget set", "trials", "single algorithms"):
            seen.extend(spec.seed for kind in (Run, Training) for spec in finished(copied, kind))
            seen.extend(looked)

    monkeypatch.setattr(Store, "find", spy)
    fulfil(copied, search, tell)
    assert seen and min(seen) >= TUNING
    assert min(looked) == 0  # at the end they are


def test_trials_are_measured_on_validation_images(copied, search):
    """A trial is what one run alone gives, measured by hand."""
    on = ground(copied, search)
    rum = Plan(low=Original(), medium=FineTune(epochs=2), high=RandomLabel(epochs=2)).resolve(on.cut)
    trial = on.trial(rum)
    (line,) = try_all(copied, [trial])[0].table().to_dict("records")
    training = search.training.but(seed=TUNING)
    ((unlearned, _),) = unlearn(copied, [Run(training=training, forget=trial.forget, unlearner=rum, seed=TUNING)])
    data = OpenStudy.open(copied, copied_study(copied)).data
    right = (unlearned.model(data.validation.x).argmax(1) == data.validation.y).double().mean().item()
    assert line["seed"] == TUNING and line["test_accuracy"] == pytest.approx(right)


# -- Optuna ------------------------------------------------------------------------------------------------------------


def test_optuna_asks_for_the_same_plans_again(copied, search, tmp_path):
    search = search.but(method="optuna", trials=7, together=3, orders="all", rates=(0.3, 1), seeds=1, best=1)
    shutil.copytree(copied.root, tmp_path / "other")
    other = Store(tmp_path / "other")
    fulfil(copied, search)
    with pytest.raises(Cancelled):
        fulfil(other, search, stop_after(other, search, 1))
    fulfil(other, search)
    table = trials_of(copied, search)
    assert len(table) == 7 and same(table, trials_of(other, search))
    assert list(table["best"]) == list(np.maximum.accumulate(table["group_tow"]))
    space = search.space(("low", "medium", "high"))
    assert space.optuna_round(0, 3, 1, ()) != space.optuna_round(0, 3, 0, ())


def stop_after(store: Store, search: PlanSearch, rounds: int):
    def stop(stage, done, total):
        if len(trials_of(store, search)) >= rounds * search.together:
            raise Cancelled

    return stop


def test_optuna_learns_from_the_scores(search):
    """Where relabelling the high part is good and anything else bad, later rounds ask for it more often than chance."""
    search = search.but(
        method="optuna", trials=80, algorithms=(FineTune(), RandomLabel(), NegGradPlus()), rates=(0.3, 1)
    )
    space, tried = search.space(("low", "medium", "high")), []
    for number in range(5):
        plans = space.optuna_round(number, 16, 0, tried)
        tried += [(plan, sum(type(getattr(plan, p)) is RandomLabel for p in ("low", "high"))) for plan in plans]
    late = [score for _, score in tried[-32:]]
    assert np.mean(late) > 1.0  # at random 0.5


# -- side by side ------------------------------------------------------------------------------------------------------


def test_plans_together_are_what_they_are_alone(copied, search):
    """Shared first steps, stacked steps, other orders, seeds and rules of keeping: nothing changes but rounding."""
    on = ground(copied, search)
    tune, label = FineTune(epochs=2, lr=0.05), RandomLabel(epochs=2, lr=0.05)
    plans = [
        Plan(low=Original(), medium=tune, high=label),
        Plan(low=Original(), medium=tune, high=label.but(lr=0.1)),
        Plan(low=Original(), medium=label, high=tune),
        Plan(low=Original(), medium=tune, high=label, order=("high", "medium", "low")),
        Plan(low=tune, medium=tune, high=SalUn(epochs=2)),
        Plan(low=tune, medium=tune, high=SalUn(epochs=2), exclude_all=True),
    ]
    unlearners = [plan.resolve(on.cut) for plan in plans]
    unlearners.append(on.whole(label).unlearner)
    runs = [
        Run(training=search.training.but(seed=TUNING + s), forget=on.trial(u).forget, unlearner=u, seed=TUNING + s)
        for u in unlearners
        for s in range(2)
    ]
    told = []
    together = dict(unlearn_plans(copied, runs, lambda stage, done, total: told.append(done / total)))
    assert sorted(together) == list(range(len(runs))) and told == sorted(told) and told[-1] == 1
    for i, run in enumerate(runs):
        if i >= 12:  # a plan of one part is its algorithm on the whole set
            run = replace(run, unlearner=label)
        ((alone, _),) = unlearn(copied, [run])
        a, b = together[i].model.state_dict(), alone.model.state_dict()
        assert all((a[name] - b[name]).abs().max() < 1e-4 for name in a)
        for what in ("steps", "forget_gradients", "retain_gradients", "diverged_at"):
            assert getattr(together[i].cost, what) == getattr(alone.cost, what)


def test_what_plans_share_is_done_once(copied, search, monkeypatch):
    from unlearn_core.experiment import side_by_side

    steps = []
    count = side_by_side.unlearn_together
    monkeypatch.setattr(side_by_side, "unlearn_together", lambda u, m, r: steps.append(len(u)) or count(u, m, r))
    search = search.but(together=8)
    on = ground(copied, search)
    try_all(copied, [on.trial(plan.resolve(on.cut)) for plan in search.space(on.names).grid()])
    assert steps == [2, 4, 8]  # instead of three times 8


def test_trials_are_shared_out_among_the_workers_asked_for(copied, search, tmp_path, crew, monkeypatch):
    """Neighbours together, for they share steps; to the bit what one process makes of all."""
    on = ground(copied, search)
    trials = [on.trial(plan.resolve(on.cut)) for plan in search.space(on.names).grid()]
    shutil.copytree(copied.root, tmp_path / "other")
    shared = [result.table() for result in try_all(copied, trials)]
    assert crew() == [[3, 3, 2]]
    monkeypatch.setitem(spread.WORTH, "cpu", 1e15)  # too little work for workers
    alone = [result.table() for result in try_all(Store(tmp_path / "other"), trials)]
    assert crew() == [[3, 3, 2]]
    assert all(same(one, other) for one, other in zip(alone, shared, strict=True))


@pytest.mark.parametrize(("stacked", "groups"), [(True, [2, 2, 1]), (False, [1] * 5)])
def test_runs_are_shared_out_among_the_workers_asked_for(copied, search, tmp_path, crew, monkeypatch, stacked, groups):
    """Small nets as many together as there are workers, large ones each by itself, so that less is lost; to the bit
    what one process makes of all.
    """
    if not stacked:
        for stage in ("trained_models", "unlearned_models"):
            monkeypatch.setattr(f"unlearn_core.experiment.{stage}.goes_stacked", lambda *_: False)
        monkeypatch.setattr("unlearn_core.unlearning.stacks", lambda *_: False)
    on, seeds = ground(copied, search), range(2)
    rums = [Plan(high=RandomLabel(epochs=2), low=low).resolve(on.cut) for low in (Original(), FineTune(epochs=2))]
    wanted = [(unlearner, seed) for unlearner in rums for seed in seeds] + [(RandomLabel(epochs=2), 0)]
    runs = [
        Run(training=search.training.but(seed=TUNING + s), forget=on.trial(rums[0]).forget, unlearner=u, seed=s)
        for u, s in wanted
    ]
    train_all(copied, [run.training for run in runs])
    shutil.copytree(copied.root, tmp_path / "other")
    before, told = len(crew()), []
    shared = run_all(copied, runs, lambda stage, done, total: told.append(done / total))
    assert crew()[before:] == [groups] and told == sorted(told) and told[-1] == 1
    monkeypatch.setitem(spread.WORTH, "cpu", 1e15)
    told.clear()
    alone = run_all(Store(tmp_path / "other"), runs, lambda stage, done, total: told.append(done / total))
    assert len(crew()) == before + 1 and told == sorted(told) and told[-1] == 1
    for one, other in zip(alone, shared, strict=True):
        for kind in ("weights", "logits", "step0"):
            if kind != "step0" or isinstance(one.spec().unlearner, Rum):
                pairs = one.arrays(kind), other.arrays(kind)
                assert all(np.array_equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


def test_a_summary_is_plain_json(copied, search):
    summary = fulfil(copied, search.but(seeds=1)).json("summary")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["plans"][0]["confirmed"]["half_width"] is None  # one seed has no interval


# -- the command line --------------------------------------------------------------------------------------------------


def test_tune_reports_what_the_search_found(copied, search, tmp_path):
    def run(*args):
        return CliRunner().invoke(app, ["tune", *map(str, args), "--store", str(copied.root)])

    example = json.loads(run("--show", "example").stdout)
    assert build(example) == PlanSearch(models=64, rates=(0.3, 1.0, 3.0))
    file = tmp_path / "search.json"
    file.write_text(json.dumps(plain(search.but(seeds=1, best=1))))
    early = run(file, "--so-far")
    assert json.loads(early.stdout) == {"trials": 0, "best": []} and "Nothing was tried yet." in early.stderr

    done = run(file)
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert not said["cached"] and len(said["plans"]) == 1 and "best single algorithm" in done.stderr
    assert json.loads(run(said["search"], "--json").stdout) == said | {"cached": True}
    assert json.loads(run(file, "--so-far").stdout)["trials"] == 8

    file.write_text(file.read_text().replace('"trials": 8', '"trials": 3'))
    refused = run(file)
    assert refused.exit_code == 2 and "The grid has 8 plans, but only 3 may be tried" in refused.stderr


def test_settings_that_an_algorithm_named_twice_shares_are_tried_once():
    twice = (FineTune(lr=0.01), FineTune(lr=0.02))
    space = Space.of(Plan(), ("high",), twice, (0.5, 1.0, 2.0), "fixed")
    rates = [u.lr for group in space.choices[1:] for u in group]
    assert sorted(rates) == pytest.approx([0.005, 0.01, 0.02, 0.04]) and space.size == 5
    plans = list(space.grid())
    assert len(set(plans)) == space.size
    # What was scored is remembered under the choice that asks for it.
    for plan in plans:
        group = space.choices[space._known(plan, 0.5).params["high"]]
        assert plan.high in group
