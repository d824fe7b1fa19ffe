"""Attacks on the models of a finished study."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from unlearn_core.attacks import mean_probability
from unlearn_core.attacks.rmia import halves
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy, audit, studies, telling, verdicts
from unlearn_core.experiment.audit import Attacked
from unlearn_core.experiment.bank import bank_columns
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def by_hand(members, others) -> Attacked:
    """One array of scores per seed on each side."""
    as_arrays = [tuple(np.asarray(s, float) for s in side) for side in (members, others)]
    return Attacked(tuple(range(len(members))), np.arange(len(members[0])), *as_arrays)


def column(study, method: str, metric: str) -> list[float]:
    return study.table[study.table["method"] == method].sort_values("seed")[metric].tolist()


@pytest.mark.parametrize("method", ["original", "retrained", "retrained-again", "rum", "fine-tune"])
def test_the_default_attack_is_the_one_of_the_studys_numbers(study, method):
    found = audit.attack(study, method, audit.default_statistic(study))
    assert found.aucs == pytest.approx(column(study, method, "lira_auc"))
    assert found.success.value == pytest.approx(np.mean(found.aucs))


def test_test_images_are_of_the_forgotten_classes(study):
    found = audit.attack(study, "rum", "confidence")
    classes = set(study.labels[study.forget])
    assert found.unseen == sum(y in classes for y in study.target.test_labels)
    assert np.array_equal(found.members[1], study.margins("rum", 1)["forget"])


@pytest.mark.parametrize("statistic", audit.STATISTICS)
def test_every_attack_runs_on_every_part(study, statistic):
    whole = audit.attack(study, "rum", statistic)
    rows = np.concatenate([audit.rows_of(study, part) for part in ("low", "medium", "high")])
    assert np.array_equal(np.sort(rows), whole.rows)
    high = audit.attack(study, "rum", statistic, "high")
    # The same images have the same scores, whoever else is asked about.
    at = np.searchsorted(whole.rows, high.rows)
    assert np.array_equal(whole.members[0][at], high.members[0])
    assert np.isfinite(np.concatenate([*whole.members, *whole.others])).all()


def test_relative_likelihood_asks_the_models_of_the_bank(study):
    """As by what each member says of each image; half of the test images are the population, the others unseen."""
    member, phi = bank_columns(study.store, study.spec.bank, study.forget)
    parts = [r for r in study.store.results("BankPart") if r.spec().training == study.spec.bank.training]
    said = np.concatenate([r.arrays()["test_phi"] for r in parts])[:, study.target.unseen]
    assert len(said) == study.spec.models
    forget, unseen = mean_probability(expit(phi.astype(float)), ~member), expit(said.astype(float)).mean(axis=0)
    found = audit.attack(study, "rum", "rmia_offline", seeds=[0])
    margins = study.margins("rum", 0)
    population, others = halves(len(unseen))
    assert set(population) | set(others) == set(range(len(unseen))) and not set(population) & set(others)
    bar = (expit(margins["held_out"]) / unseen)[population]
    for scores, ratio in (
        (found.members[0], expit(margins["forget"]) / forget),
        (found.others[0], (expit(margins["held_out"]) / unseen)[others]),
    ):
        np.testing.assert_allclose(scores, (ratio[:, None] > 2 * bar).mean(axis=1), atol=1e-12)


def test_where_there_are_too_few_test_images_for_two_halves_the_others_go_on(filled_store):
    store = Store(filled_store)
    alone = OpenStudy.open(store, studies(store)[0].key)
    labels = np.full_like(alone.target.test_labels, -1)
    labels[0] = alone.labels[alone.forget[0]]  # the only test image of the forgotten classes
    alone.__dict__["target"] = replace(alone.target, test_labels=labels)
    assert audit.statistics(alone).keys() == audit.STATISTICS.keys() - {"rmia_offline"}
    with pytest.raises(BadValue, match="two test images of the forgotten classes"):
        audit.attack(alone, "rum", "rmia_offline")
    assert {told.statistic for told in telling.others(alone, "rum")} <= audit.statistics(alone).keys()


@pytest.mark.parametrize("statistic", ["confidence", "correctness", "lira_online"])
def test_the_area_under_the_curve_is_the_mean_auc(study, statistic):
    found = audit.attack(study, "rum", statistic)
    curve = found.curve
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(np.mean(found.aucs))
    assert (np.diff(curve["tpr"]) >= -1e-12).all()
    assert ((curve["low"] <= curve["tpr"]) & (curve["tpr"] <= curve["high"])).all()


def test_known_answers():
    found = by_hand([[3, 2, 0]], [[1, -1]])
    assert found.success.value == pytest.approx(5 / 6)
    assert found.at(1) == (pytest.approx(2 / 3), 0.5)
    assert found.threshold_at(0.5) == 0
    assert found.curve["low"].isna().all()


def test_seeds_are_the_unit_where_there_are_several():
    found = by_hand([[1, 3], [1, 1]], [[0, 2], [0, 0]])
    assert found.aucs == [0.75, 1.0]
    assert found.success.value == pytest.approx(0.875)
    assert "2 seeds" in found.success.why
    assert "over images" in by_hand([[1, 3]], [[0, 2]]).success.why
    assert found.at(1) == (1.0, 0.25)


def test_a_rate_with_too_few_unseen_images_is_not_measurable(study):
    found = audit.attack(study, "rum", "confidence").found_at(0.01)
    assert found.value is None
    assert "needs at least 1000" in found.why
    many = by_hand([[1.5, 0.5]] * 2, [np.linspace(0, 1, 1000)] * 2)
    assert many.found_at(0.01).value == 0.5


def test_the_verdict_is_two_sided(study):
    verdict = verdicts.judge(study, "original", audit.default_statistic(study))
    assert verdict.apart == verdict.power
    assert verdict.side == 1
    assert verdict.has_power
    assert verdicts.judge(study, "retrained", "confidence").side == 0
    # Less sure of every image than a model that never saw it: forgotten too well.
    shy = replace(verdict.retrained, members=tuple(m - 1000 for m in verdict.retrained.members))
    apart = verdicts.difference(shy, verdict.retrained)
    assert replace(verdict, apart=apart).side == -1


@pytest.mark.parametrize("statistic", audit.STATISTICS)
def test_a_second_retrained_model_is_never_accused(study, statistic):
    # Not even where so few seeds agree that their interval misses 0.
    sure = Estimate(-0.03, 0.01, 3)
    assert replace(verdicts.judge(study, "retrained-again", statistic), apart=sure, floor=sure).side == 0
    assert verdicts.judge(study, "retrained-again", statistic).side == 0


def test_a_verdict_needs_both_the_interval_and_the_noise_floor(study):
    verdict = replace(verdicts.judge(study, "rum", "confidence"), floor=Estimate(-0.02, 0.04, 3))
    assert verdict.noise == pytest.approx(0.06)
    for apart, side in (((0.05, 0.01), 0), ((0.07, 0.01), 1), ((-0.07, 0.01), -1), ((0.07, 0.08), 0)):
        assert replace(verdict, apart=Estimate(*apart, 3)).side == side


def test_a_single_seed_has_an_interval_over_images(study):
    verdict = verdicts.judge(study, "original", audit.default_statistic(study), seeds=[1])
    assert verdict.audited.seeds == (1,)
    assert verdict.apart.n == 1
    assert verdict.apart.mean == pytest.approx(verdict.audited.aucs[0] - verdict.retrained.aucs[0])
    assert verdict.apart.half_width > 0


def test_the_ceiling_of_the_likelihood_ratio_mirrors_the_target(study):
    verdict = verdicts.judge(study, "rum", audit.default_statistic(study))
    assert verdict.again.aucs == pytest.approx([1 - a for a in verdict.retrained.aucs])


def test_what_does_not_exist_is_refused_in_one_sentence(study):
    for wrong in (
        {"statistic": "threshold"},
        {"part": "upper"},
        {"method": "prayer"},
        {"seeds": [99]},
    ):
        with pytest.raises(BadValue):
            audit.attack(study, **{"method": "rum", "statistic": "confidence"} | wrong)


def test_histograms_share_their_edges_and_count_every_image():
    scores = {"a": [np.arange(100.0), np.arange(50.0)], "b": [np.array([-1e6, 1e6])]}
    edges, shares = audit.histograms(scores)
    assert len(edges) == len(shares["a"]) + 1
    assert [s.sum() for s in shares.values()] == pytest.approx([1, 1])
    assert shares["b"][0] == shares["b"][-1] == 0.5


def test_histograms_of_likelihood_ratios_are_finer_near_zero():
    edges, _ = audit.histograms({"a": [np.linspace(-500, 500, 1000)]}, ratio=True)
    widths = np.diff(edges)
    assert widths[0] > 10 * widths[len(widths) // 2]
    assert np.allclose(np.diff(np.arcsinh(edges)), np.diff(np.arcsinh(edges))[0])


def test_equal_scores_have_one_bin_and_thresholds_around_them():
    edges, shares = audit.histograms({"a": [np.ones(5)]})
    assert shares["a"].tolist() == [1.0]
    options = audit.thresholds(edges)
    assert options == sorted(set(options))
    assert options[0] <= 1 <= options[-1]


def test_the_efficacy_is_the_studys_own_and_shows_its_power(study):
    found = audit.efficacy(study, "rum")
    assert found.efficacy.mean == pytest.approx(np.mean(column(study, "rum", "mia_efficacy")))
    assert 0.5 <= found.balanced_accuracy.mean <= 1


def test_images_at_risk_are_the_highest_ratios_of_the_part(study):
    risky = audit.at_risk(study, "rum", "high", count=5)
    assert len(risky) == 5
    assert risky["unlearned"].is_monotonic_decreasing
    assert set(risky["row"]) <= set(study.parts["high"])
    assert set(risky["part"]) == {"high"}
    ratios = np.mean([study.lira("rum", seed) for seed in range(3)], axis=0)
    at = np.searchsorted(study.forget, study.parts["high"])
    assert risky["unlearned"].iloc[0] == pytest.approx(ratios[at].max())
