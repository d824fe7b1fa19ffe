"""What a finished study says before the next one is run: the parts a plan makes, what to run on them, what it costs."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pages.shared import cost_words
from unlearn_core.experiment import OpenStudy, fulfil, studies, voices
from unlearn_core.experiment import advice as advices
from unlearn_core.experiment.advice import ALIKE, _over_models, advice, unfit
from unlearn_core.experiment.attributes import refine
from unlearn_core.experiment.forecast import added, forecast
from unlearn_core.experiment.run_times import UNKNOWN, spread_of
from unlearn_core.experiment.study import searches
from unlearn_core.experiment.unlearned_models import Run, request_of
from unlearn_core.forget import FORGET_SETS, MemorizationBand, Mislabelled, OfClass, Picked
from unlearn_core.params import BadValue
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGradPlus, Original, RandomLabel, SalUn


@pytest.fixture
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.mark.parametrize("by", ["memorization", "entanglement", "confidence"])
def test_the_parts_shown_are_the_parts_that_run(study, by):
    for plan in (Plan(by=by), Plan(by=by, control="shuffle"), Plan(by=by, cut_by="value", low_cut=0.1, high_cut=0.5)):
        shown, run = study.refine(plan, study.forget), refine(study.store, study.spec.bank, plan, study.forget)
        assert all(np.array_equal(shown[part], run[part]) for part in run)
    assert np.array_equal(
        np.concatenate(list(study.refine(Plan(by=by), study.forget).values())).sum(), study.forget.sum()
    )


def test_the_study_knows_its_own_set(study):
    assert np.array_equal(study.spec.forget.choose(study.known), study.forget)
    for cls in set(FORGET_SETS.values()) - {MemorizationBand, Mislabelled, OfClass, Picked}:
        assert len(cls(size=9).choose(study.known)) == 9


def test_facts_of_a_set(study):
    rows = np.flatnonzero(study.labels == 4)
    facts = study.about(rows)
    assert facts.images == len(rows) == facts.per_class[4] == facts.per_class.sum()
    assert facts.lost == ("4",) and study.about(rows[: len(rows) // 2]).lost == ()
    assert facts.memorization == pytest.approx(study.memorization.scores[rows].mean())
    assert facts.entanglement == study.sums.describe(rows)


# -- advice from all stored runs ---------------------------------------------------------------------------------------


def mean_score(study: OpenStudy, part: str) -> float:
    return float(study.memorization.scores[study.parts[part]].mean())


def renamed(study: OpenStudy, *methods: str) -> pd.DataFrame:
    """The table as if these methods' models, or all of them, were others that read the same."""
    table = study.table.copy()
    others = table["method"].isin(methods) if methods else table["method"].notna()
    table.loc[others, "result"] = table.loc[others, "result"].str[::-1]
    return table


def beside(study: OpenStudy, root, shift: float = 0.0, table=None, **changes) -> OpenStudy:
    """The study in a store of its own, beside another with the same runs, or those of `table`, and `shift` on the
    scores of its parts."""
    shutil.copytree(study.store.root, root)
    store, summary = Store(root), study.summary | {"parts": {}}
    for part, about in study.summary["parts"].items():
        summary["parts"][part] = about | {"memorization": about["memorization"] + shift}

    def make(draft) -> None:
        draft.table(study.table if table is None else table)
        draft.arrays(**study.result.arrays())
        draft.json("summary", summary)

    store.remember(study.spec.but(name="Other", **changes), make)
    return OpenStudy.open(store, study.key)


@pytest.mark.parametrize("part", PARTS)
def test_with_one_study_advice_is_the_best_of_its_own_runs(study, part):
    found = advice(study, mean_score(study, part))
    tow = {
        m: float(np.mean(study.part_tow(m, part))) for m in ("original", "fine-tune", "neggrad-plus", "random-label")
    }
    titles = {m: t for m, t in study.table.drop_duplicates("method").set_index("method")["title"].items() if m in tow}
    titles["original"] = Original.title
    best = max(tow, key=tow.get)
    if tow[best] - tow["original"] >= 0.02:
        assert found.unlearner.title == titles[best]
    assert found.tow.mean == pytest.approx(tow[next(m for m, t in titles.items() if t == found.unlearner.title)])
    assert found.rival_tow.mean == pytest.approx(max(v for m, v in tow.items() if titles[m] != found.unlearner.title))
    assert (found.alike, found.studies, found.tow.n) == (True, 1, study.spec.seeds)
    assert found.ceiling == pytest.approx(np.mean(study.part_tow("retrained-again", part)))
    assert found.lead.mean == pytest.approx(found.tow.mean - found.rival_tow.mean)
    assert found.left == pytest.approx(tow["original"])


def accuracies(study: OpenStudy, **high: list[float]) -> None:
    """Give the study a made-up table: accuracies on the high part by method, 0.5 for retrained, all else alike."""
    everyone = {"original": [1.0] * 3, "retrained": [0.5] * 3, "retrained-again": [0.5, 0.5, 0.5]} | high
    lines = [
        {
            "method": name,
            "kind": "single" if name in high and name not in ("original", "retrained-again") else "reference",
            "seed": seed,
        }
        | {"high_accuracy": value, "low_accuracy": 1.0, "medium_accuracy": 1.0, "seconds": 1.0}
        | {"retain_accuracy": 1.0, "test_accuracy": 0.9, "result": f"{name}{seed}"}
        for name, values in everyone.items()
        for seed, value in enumerate(values)
    ]
    study.__dict__["table"] = pd.DataFrame(lines)


def test_a_suggestion_is_the_algorithm_closest_to_retraining(study):
    names = ("fine-tune", "neggrad-plus", "random-label")
    accuracies(study, **dict(zip(names, ([1.0, 0.9, 1.0], [0.51, 0.49, 0.5], [0.2, 0.25, 0.2]), strict=True)))
    found = advice(study, mean_score(study, "high"))
    assert (found.unlearner, found.rival) == (NegGradPlus(epochs=2), RandomLabel(epochs=2))
    assert found.tow.mean == pytest.approx(1 - 0.02 / 3) and found.rival_tow.mean == pytest.approx(1 - 0.85 / 3)
    assert found.lead.mean > found.lead.half_width and found.ceiling == 1.0 and found.tow.n == 3
    # Where nothing needs forgetting, nothing is suggested.
    assert advice(study, mean_score(study, "low")).unlearner == Original()


def test_a_lead_inside_the_seed_spread_is_not_worth_a_run(study):
    close = {"original": [0.5, 0.52, 0.5], "fine-tune": [0.5, 0.5, 0.51], "neggrad-plus": [0.9] * 3}
    accuracies(study, **close, **{"random-label": [0.9] * 3})
    found = advice(study, mean_score(study, "high"))
    assert found.unlearner == Original() and found.rival == FineTune(epochs=2)
    assert found.rival_tow.mean > found.tow.mean and found.lead.half_width > abs(found.lead.mean)


def test_a_sure_lead_that_is_next_to_nothing_is_not_worth_a_run_either(study):
    tried = {"fine-tune": [0.5] * 3, "neggrad-plus": [0.9] * 3, "random-label": [0.9] * 3}
    accuracies(study, original=[0.51] * 3, **tried)
    found = advice(study, mean_score(study, "high"))
    assert found.unlearner == Original() and found.lead.mean < 0 and found.lead.half_width < abs(found.lead.mean)
    accuracies(study, original=[0.6] * 3, **tried)
    assert advice(study, mean_score(study, "high")).unlearner == FineTune(epochs=2)
    # Nor is one that is smaller than what two retrained models differ by.
    accuracies(study, original=[0.6] * 3, **tried, **{"retrained-again": [0.5, 0.3, 0.6]})
    assert advice(study, mean_score(study, "high")).unlearner == Original()


def test_harm_to_kept_images_counts_against_an_algorithm(study):
    accuracies(study, **{"fine-tune": [0.5] * 3, "neggrad-plus": [0.6] * 3, "random-label": [0.9] * 3})
    study.table.loc[study.table["method"] == "fine-tune", "retain_accuracy"] = 0.5
    assert advice(study, mean_score(study, "high")).unlearner == NegGradPlus(epochs=2)


@pytest.mark.parametrize("part", PARTS)
def test_a_study_under_another_name_is_no_evidence(study, tmp_path, part):
    score = mean_score(study, part)
    alone, both = advice(study, score), advice(beside(study, tmp_path / "again"), score)
    assert both.studies == 2 and replace(both, studies=1) == alone


def test_runs_of_other_studies_speak_where_their_parts_are_alike(study, tmp_path):
    score = mean_score(study, "high")
    alone = advice(study, score)
    both = advice(beside(study, tmp_path / "alike", 0.9 * ALIKE, renamed(study)), score)
    assert both.studies == 2 and both.tow.n == 2 * alone.tow.n and both.tow.mean == pytest.approx(alone.tow.mean)
    assert both.unlearner == alone.unlearner and both.tow.half_width < alone.tow.half_width
    assert both.runs == 2 * alone.runs and both.lead.n == 2 * alone.lead.n
    # Too far away, on other images, or by scores of another kind, they say nothing.
    assert advice(beside(study, tmp_path / "far", 5.0, renamed(study)), score) == alone
    data = study.spec.training.but(data=study.spec.training.data.but(seed=1))
    assert advice(beside(study, tmp_path / "images", table=renamed(study), training=data), score) == alone
    assert advice(beside(study, tmp_path / "kind", table=renamed(study), models=0), score) == alone


def test_the_newest_studies_are_asked_each_read_once(study, tmp_path, monkeypatch):
    score = mean_score(study, "high")
    both, read = beside(study, tmp_path / "both", table=renamed(study)), []
    honest = voices._runs
    monkeypatch.setattr(voices, "_runs", lambda s, *of: read.append(s.key) or honest(s, *of))
    assert advice(both, score).studies == 2
    (other,) = {name for name in read if name != study.key}
    read.clear()
    assert advice(both, score).studies == 2 and other not in read
    monkeypatch.setattr(voices, "NEWEST", 1)  # the one beside it was made last
    found = advice(both, score)
    assert found.studies == 1 and found.tow.n == study.spec.seeds
    assert [each.key for each in voices.voices(both)] == [other]


def test_what_was_forgotten_from_one_original_model_counts_as_one(study, tmp_path):
    """Another set, or another run on the same one, from the same originals: more runs, no more independent models."""
    score = mean_score(study, "high")
    alone = advice(study, score)
    singles = [name for name in study.table.loc[study.table["kind"] == "single", "method"].unique()]
    for number, methods in enumerate([("retrained", "retrained-again", *singles), singles]):
        both = advice(beside(study, tmp_path / str(number), table=renamed(study, *methods)), score)
        assert (both.studies, both.runs) == (2, 2 * alone.runs)
        assert replace(both, studies=1, runs=alone.runs) == alone


def test_means_of_one_model_are_taken_before_the_interval():
    cases = {("a", "r", ""): 0.2, ("a", "s", ""): 0.4, ("b", "r", ""): 0.5, ("c", "r", ""): 0.9}
    found = _over_models(cases)
    assert found.n == 3 and found.mean == pytest.approx((0.3 + 0.5 + 0.9) / 3)


def test_what_does_not_fit_is_never_suggested_and_distance_is_told(study):
    score = mean_score(study, "high")
    best = advice(study, score)
    name = next(n for n, cls in ALGORITHMS.items() if cls is type(best.unlearner))
    assert advice(study, score, (name,)).unlearner in (best.rival, Original())
    far = advice(study, score + 3)
    assert not far.alike and far.unlearner == best.unlearner and far.studies == 1


def test_a_study_that_tried_nothing_by_itself_has_no_say(study, monkeypatch):
    """One that ran a plan alone knows only what leaving the images comes to, which speaks for nothing."""
    score, own = mean_score(study, "high"), advices.voice(study)
    best = advice(study, score)
    assert best.unlearner != Original()
    idle = replace(own, key="0" * 32, unlearners={m: u for m, u in own.unlearners.items() if u == Original()})
    monkeypatch.setattr(advices, "voices", lambda finished: iter([idle, own]))
    assert advice(study, score) == best
    # Where the study itself is the idle one, and no other has a part alike, the nearest part of all speaks.
    far = replace(own, means={part: mean + 3 for part, mean in own.means.items()})
    monkeypatch.setattr(advices, "voices", lambda finished: iter([idle, far]))
    monkeypatch.setattr(advices, "voice", lambda finished: idle)
    found = advice(study, score)
    assert not found.alike and found.runs == best.runs


@pytest.mark.parametrize("order", [PARTS, ("high", "low", "medium")])
def test_what_is_unfit_is_what_a_run_refuses(study, order):
    plan, rows = Plan(order=order, low=Original(), medium=Original(), high=Original()), study.forget
    parts, told = study.refine(plan, rows), unfit(study, plan, rows)
    run = Run(training=study.spec.training, forget=pack(rows), unlearner=Original())
    request, refused = request_of(study.store, run), {part: {} for part in PARTS}
    for part in PARTS:
        for name, cls in ALGORITHMS.items():
            try:
                plan.but(**{part: cls()}).resolve(parts).refuse(request)
            except BadValue as error:
                refused[part][name] = str(error)
    assert told == refused
    assert "amnesiac" not in told[order[0]] and "amnesiac" in told[order[1]]  # only the first step knows the history


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_finished_study_costs_nothing(study):
    found = forecast(study, study.spec)
    assert found.runs == found.trials == found.trainings == 0 and found.seconds == found.slowest == 0
    assert found.reused > 0 and found.guessed == ()
    assert found.is_done and found.megabytes == found.memory == 0


def test_the_forecast_counts_what_is_then_done(study, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(study.store.root, root)
    store = Store(root)
    here = OpenStudy.open(store, study.key)
    asked = here.spec.but(
        forget=Picked(named="0-19"), unlearners=(FineTune(epochs=2),), plans=(Plan(low_cut=0.5, high=SalUn(epochs=1)),),
        seeds=2,
    )  # fmt: skip
    found = forecast(here, asked)
    assert 0 < found.fastest <= found.seconds <= found.slowest and found.guessed == ("SalUn",)

    def count(kind: str) -> int:
        return len(list(store.results(kind)))

    def on_disk() -> float:
        return sum(file.stat().st_size for file in (root / "results").glob("*/*/*")) / 1e6

    before, held = {kind: count(kind) for kind in ("Training", "Run", "Bank", "Embedding")}, on_disk()
    fulfil(store, asked)
    assert on_disk() - held == pytest.approx(found.megabytes, rel=0.15)
    assert found.memory > 100 and found.device == "cpu"  # a process with torch in it
    assert count("Training") - before["Training"] == found.trainings
    assert count("Run") - before["Run"] == found.runs
    assert (count("Bank"), count("Embedding")) == (before["Bank"], before["Embedding"])
    grid = searches(store, asked, np.arange(20))
    assert sum(len(store.find(search).table()) for search in grid.values()) == found.trials
    assert forecast(here, asked).runs == forecast(here, asked).trials == forecast(here, asked).trainings == 0


def test_few_runs_have_a_wide_range_and_many_that_agree_a_narrow_one():
    assert spread_of([]) == spread_of([[0.2] * 15, [3.0]]) == UNKNOWN  # a stack is one observation
    rng = np.random.default_rng(0)
    true = 1.2
    many = [list(np.exp(rng.normal(0, np.log(true), 40))) for _ in range(8)]
    # Of very many runs the factor is the 95th percentile of the truth.
    assert spread_of(many) == pytest.approx(true**1.645, rel=0.05)
    alike = [[kind, 1.2 * kind] for kind in range(1, 9)]
    assert spread_of(alike[:2]) > spread_of(alike[:4]) > spread_of(alike)
    assert spread_of([[1.0, 30.0], [1.0, 50.0]]) == UNKNOWN
    # One more run of a kind that was seen three times lies inside in nine of ten cases, whatever its kind takes.
    inside = []
    for _ in range(2000):
        *seen, new = np.exp(rng.normal(2.0, 0.05, 7))
        inside.append(abs(np.log(new / np.exp(np.mean(np.log(seen))))) <= np.log(spread_of([seen])))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_what_runs_beside_a_plan_adds_up(study):
    plans = (*study.spec.plans, study.spec.plans[0].but(name="Other", high=FineTune(epochs=2)))
    asked = study.spec.but(forget=Picked(named="0-19"), seeds=2, plans=plans)
    parts, whole = added(study, asked), forecast(study, asked)
    bare = forecast(study, asked.but(unlearners=(), controls=False, plans=plans[:1]))
    for count in ("runs", "trials", "trainings", "seconds", "megabytes"):
        total = getattr(bare, count) + sum(getattr(parts[of], count) for of in ("earlier", "singles", "controls"))
        assert total == pytest.approx(getattr(whole, count)), count
    assert parts["retrained"].trainings == 4 and parts["retrained"].megabytes > 0  # two a seed
    assert parts["singles"].runs == 2 * len(asked.unlearners) and parts["earlier"].runs == 2
    assert all(part.is_done for part in added(study, study.spec).values())


def test_what_is_said_of_each_part_adds_up_to_what_the_baselines_are_told_to_take(study, monkeypatch):
    asked = study.spec.but(forget=Picked(named="0-19"), seeds=2)
    parts, alone = added(study, asked), forecast(study, asked.alone)
    monkeypatch.setattr(cost_words, "_added", lambda f: f"{f.seconds!r}")
    seconds = [float(cost_words.part(study.store, parts["whole"], parts[of])) for of in ("singles", "controls")]
    whole = cost_words.baselines(study.store, parts["whole"], alone)
    assert min(seconds) > 0 and sum(seconds) == pytest.approx(float(re.search(r"[\d.]+\d", whole)[0]), rel=0.02)


def test_the_forecast_refuses_another_bank(study):
    with pytest.raises(BadValue, match="same bank"):
        forecast(study, study.spec.but(models=20))
