"""What must hold for every metric and attack: orders and names that mean nothing, precision, and perfect unlearning."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unlearn_core import evaluation as ev
from unlearn_core.attacks import (
    ATTACKS,
    auc,
    auc_interval,
    blocks,
    clopper_pearson,
    mean_probability,
    roc,
    signals,
    summarise,
    tpr_at_fpr,
)
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.evaluation.challenge import points

FEW = settings(max_examples=15, deadline=None)
IMAGES, CLASSES, MODELS = 60, 4, 12
RETAIN, TEST, FORGET = slice(0, 24), slice(24, 48), slice(48, 60)
seeds = st.integers(0, 10_000)


class Table:
    """The logits of many models on the same images, and all that metrics and attacks are made from."""

    def __init__(self, logits: np.ndarray, labels: np.ndarray, roles: np.ndarray, split: np.ndarray):
        self.logits, self.labels, self.roles, self.split = logits, labels, roles, split

    @classmethod
    def of(cls, seed: int) -> "Table":
        rng = np.random.default_rng(seed)
        labels = np.arange(IMAGES) % CLASSES
        # Kept, unseen, unlearned: each image is each of them equally often.
        roles = (np.arange(MODELS)[:, None] + rng.integers(0, 3, IMAGES)) % 3
        logits = 1.5 * rng.normal(size=(MODELS, IMAGES, CLASSES))
        logits[:, np.arange(IMAGES), labels] += 2 + 2 * (roles == 0) + (roles == 2)
        return cls(logits, labels, roles, np.repeat([0, 1, 2], [24, 24, 12]))

    def shuffled(self, seed: int) -> "Table":
        """Other models, then other images, in another order; the audited model stays the first."""
        rng = np.random.default_rng(seed)
        models, images = np.r_[0, 1 + rng.permutation(MODELS - 1)], rng.permutation(IMAGES)
        return Table(
            self.logits[models][:, images], self.labels[images], self.roles[models][:, images], self.split[images]
        )

    def renamed(self, seed: int) -> "Table":
        """The classes in another order, in the logits and in the labels alike."""
        classes = np.random.default_rng(seed).permutation(CLASSES)
        return Table(self.logits[..., classes], np.argsort(classes)[self.labels], self.roles, self.split)

    def single(self) -> "Table":
        """Logits as models give them: float32."""
        return Table(self.logits.astype(np.float32), self.labels, self.roles, self.split)

    def at_hand(self) -> dict:
        """Arguments of attacks by name. The first model is audited, the others are shadow and reference models."""
        phi = margins(self)
        probs, losses = 1 / (1 + np.exp(-phi)), np.logaddexp(0, -phi)
        pairs = [(self.logits[0][self.split == s], self.labels[self.split == s]) for s in range(3)]
        inside, unseen, unlearned = (self.roles[1:] == role for role in range(3))
        population = self.split == 1
        # Three observations of every image, the smallest: which these are does not depend on the order of the models.
        unlearned_phi, unseen_phi = (np.sort(np.where(m, phi[1:], np.inf), axis=0)[:3] for m in (unlearned, unseen))
        return {
            "logits": self.logits[0],
            "labels": self.labels,
            "phi": phi[0],
            "inside": summarise(phi[1:], inside),
            "outside": summarise(phi[1:], unseen),
            "unlearned": summarise(phi[1:], unlearned),
            "unseen": summarise(phi[1:], unseen),
            "unlearned_phi": unlearned_phi,
            "unseen_phi": unseen_phi,
            "probs": probs[0],
            "mean_in": mean_probability(probs[1:], inside),
            "mean_out": mean_probability(probs[1:], ~inside),
            "population_probs": probs[0][population],
            "mean_population": mean_probability(probs[1:])[population],
            "losses": losses[0],
            "population_losses": losses[0][population],
            "reference_losses": losses[1:],
            "forget_losses": np.sort(losses[0][self.split == 2]),
            "test_losses": np.sort(losses[0][population])[:12],
            "retain": pairs[0],
            "test": pairs[1],
            "forget": pairs[2],
        }


def attacked(name: str, table: Table):
    row, given_names = ATTACKS[name], table.at_hand()
    return row.function(**{need: given_names[need] for need in row.needs})


# Attacks with one answer for all images.
ONE_NUMBER = [name for name, row in ATTACKS.items() if row.gives == "efficacy" or name == "simple"]


# -- every attack ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_runs_on_what_it_needs_and_says_what_it_is(name):
    row, found = ATTACKS[name], attacked(name, Table.of(0))
    assert row.label and row.help.endswith(".") and row.source
    assert row.gives in ("scores", "efficacy", "reference")
    if row.gives == "scores":  # what the audit can hand over
        of_means = {"probs", "mean_in", "mean_out", "population_probs", "mean_population"}
        assert set(row.needs) <= {"logits", "labels", "phi", "inside", "outside"} | of_means
    if name in ONE_NUMBER:
        assert 0 <= found <= 1
    else:
        assert np.shape(found) == (IMAGES,) and np.isfinite(found).all() and np.ptp(found) > 0


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("seed", range(3))
def test_shuffling_models_and_images_changes_no_attack(name, seed):
    table = Table.of(seed)
    plain, mixed = attacked(name, table), attacked(name, table.shuffled(seed))
    if name in ONE_NUMBER:
        assert mixed == pytest.approx(plain, abs=1e-12)
    else:
        images = np.random.default_rng(seed)
        images.permutation(MODELS - 1)
        np.testing.assert_allclose(mixed, plain[images.permutation(IMAGES)], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("seed", range(3))
def test_the_names_of_the_classes_change_no_attack(name, seed):
    table = Table.of(seed)
    np.testing.assert_allclose(attacked(name, table.renamed(seed)), attacked(name, table), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ATTACKS)
def test_float32_logits_are_enough_for_every_attack(name):
    table = Table.of(1)
    wide, narrow = attacked(name, table), attacked(name, table.single())
    # A share of images moves by whole images, where one lies on the threshold: none does here.
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-4)


@given(seed=seeds)
@FEW
def test_a_model_that_is_the_retrained_one_has_an_auc_of_one_half(seed):
    """Each attack on per-image scores, with the same images as members and as non-members."""
    given_names = Table.of(seed).at_hand()
    for name, row in ATTACKS.items():
        if name not in ONE_NUMBER:
            scores = row.function(**{need: given_names[need] for need in row.needs})
            assert auc(scores, scores) == pytest.approx(0.5), name
            assert auc_interval(scores, scores).low < 0.5 < auc_interval(scores, scores).high


# -- ROC ---------------------------------------------------------------------------------------------------------------

scores = arrays(np.float64, st.integers(1, 40), elements=st.integers(-6, 6).map(float))
monotone = st.sampled_from([np.exp, np.arctan, np.cbrt, lambda x: 3 * x - 7, lambda x: x**3 + x])


@given(members=scores, others=scores, transform=monotone)
@FEW
def test_no_number_of_a_roc_sees_a_monotone_transform(members, others, transform):
    first, second = (members, others), (transform(members), transform(others))
    assert auc(*second) == auc(*first)
    assert auc_interval(*second) == auc_interval(*first)
    assert (roc(*second).advantage, roc(*second).tpr_at(0.1)) == (roc(*first).advantage, roc(*first).tpr_at(0.1))
    many = [np.tile(x, 200) for x in (members, others)]
    assert tpr_at_fpr(*(transform(x) for x in many), 0.1) == tpr_at_fpr(*many, 0.1)


@pytest.mark.parametrize(("n", "p"), [(20, 0.02), (20, 0.5), (200, 0.01), (200, 0.3), (1000, 0.001)])
def test_clopper_pearson_covers_a_simulated_share(n, p):
    hits, times = np.unique(np.random.default_rng(0).binomial(n, p, 20_000), return_counts=True)
    low, high = np.array([clopper_pearson(k, n) for k in hits]).T
    assert times[(low <= p) & (p <= high)].sum() / 20_000 >= 0.95


# -- every metric ------------------------------------------------------------------------------------------------------


def probabilities(table: Table) -> np.ndarray:
    return signals.probabilities(table.logits.reshape(-1, CLASSES).astype(np.float64)).reshape(table.logits.shape)


def margins(table: Table) -> np.ndarray:
    flat_logits = table.logits.reshape(-1, CLASSES)
    return signals.margin(flat_logits, np.tile(table.labels, MODELS)).reshape(MODELS, IMAGES)


def parts(table: Table, model: int) -> dict[str, float]:
    sets = zip(("retain", "test", "forget"), range(3), strict=True)
    return {n: ev.accuracy(table.logits[model][table.split == s], table.labels[table.split == s]) for n, s in sets}


def by_metric(table: Table) -> dict:
    """Every metric that is a function of logits: of model 0 against model 1, or of six models against six."""
    p, phi = probabilities(table), margins(table)
    forget = table.split == 2
    first, second = parts(table, 0), parts(table, 1)
    attack = [ATTACKS["threshold"].function(**efficacy_sets(table, model)) for model in (0, 1)]
    many = phi[:6][:, forget], phi[6:][:, forget]
    ties = auc_interval(phi[0][forget], phi[0][table.split == 1])
    return {
        "accuracies": first,
        "tow": ev.tow(first, second),
        "group_tow": ev.group_tow(first, second, {"all": first["forget"]}, {"all": second["forget"]}),
        "tow_mia": ev.tow_mia(first, second, *attack),
        "average_gap": ev.average_gap(first, second, *attack),
        "mia_efficacy": attack,
        "agreement": ev.agreement(table.logits[0], table.logits[1]),
        "disagreement": ev.disagreement(table.logits[0], table.logits[1]),
        "js_divergence": ev.js_divergence(p[0], p[1]),
        "activation_distance": ev.activation_distance(p[0], p[1]),
        "total_variation": ev.total_variation(p[0], p[1]),
        "zrf": ev.zrf(p[0], p[1:3]),
        "auc": (ties.value, ties.low, ties.high),
        "linear_cka": ev.linear_cka(table.logits[0], table.logits[1]),
        "linear_cka_debiased": ev.linear_cka(table.logits[0], table.logits[1], debiased=True),
        "entanglement": EmbeddingSums(table.logits[0]).score(np.flatnonzero(forget)),
        "klom": ev.klom(*many),
        "forgetting_quality": ev.forgetting_quality(*many),
    }


def efficacy_sets(table: Table, model: int) -> dict:
    chosen = zip(("retain", "test", "forget"), range(3), strict=True)
    return {name: (table.logits[model][table.split == s], table.labels[table.split == s]) for name, s in chosen}


def flat(found: dict) -> list[float]:
    numbers = []
    for value in found.values():
        numbers += value.values() if isinstance(value, dict) else np.ravel(value).tolist()
    return numbers


@given(seed=seeds)
@FEW
def test_the_order_of_images_and_the_names_of_classes_change_no_metric(seed):
    table, rng = Table.of(seed), np.random.default_rng(seed)
    plain, images = by_metric(table), rng.permutation(IMAGES)
    mixed = Table(table.logits[:, images], table.labels[images], table.roles[:, images], table.split[images])
    np.testing.assert_allclose(flat(by_metric(mixed)), flat(plain), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(flat(by_metric(table.renamed(seed))), flat(plain), rtol=1e-9, atol=1e-9)


@given(seed=seeds)
@FEW
def test_the_order_of_models_changes_no_metric_of_many(seed):
    rng, phi = np.random.default_rng(seed), margins(Table.of(seed))[:, :6]
    first, second = phi[:6], phi[6:]
    mixed = rng.permutation(first), rng.permutation(second)
    for metric in (ev.klom_each, ev.example_epsilons):
        np.testing.assert_allclose(metric(*mixed), metric(first, second), rtol=1e-9)
    values = rng.random(5)
    shuffled = rng.permutation(values)
    assert ev.over_seeds(shuffled).mean == pytest.approx(ev.over_seeds(values).mean)
    assert ev.over_seeds(shuffled).half_width == pytest.approx(ev.over_seeds(values).half_width)


def test_float32_logits_are_enough_for_every_metric():
    for seed in range(5):
        table = Table.of(seed)
        smooth = {k: v for k, v in by_metric(table).items() if k not in ("klom", "forgetting_quality")}
        narrow = by_metric(table.single())
        np.testing.assert_allclose(flat({k: narrow[k] for k in smooth}), flat(smooth), rtol=1e-4, atol=1e-4)


@given(seed=seeds)
@FEW
def test_the_same_models_twice_are_perfect_in_every_metric(seed):
    table = Table.of(seed)
    phi, p, accuracies = margins(table), probabilities(table)[0], parts(table, 0)
    assert blocks.per_example(phi, phi).aucs == [0.5] * MODELS
    phi = phi[:, :6]
    epsilons = ev.example_epsilons(phi, phi)
    assert (epsilons == 0).all() and points(epsilons, MODELS).mean() == ev.forgetting_quality(phi, phi) == 1
    assert ev.klom(phi, phi) == pytest.approx(0, abs=1e-12)
    assert ev.certified_quality(phi, phi) == 1
    assert ev.challenge_score(1.0, (0.9, 0.8), (0.9, 0.8)) == 1
    assert ev.tow(accuracies, accuracies) == ev.group_tow(accuracies, accuracies, accuracies, accuracies) == 1
    assert ev.js_divergence(p, p) == ev.activation_distance(p, p) == ev.disagreement(p, p) == 0
    assert ev.zrf(p, p) == ev.agreement(p, p) == 1
    assert ev.linear_cka(p, p) == pytest.approx(1)


@given(seed=seeds, scale=st.floats(1e-3, 1e3))
@FEW
def test_distances_do_not_ask_who_comes_first_and_cka_not_how_the_axes_lie(seed, scale):
    rng, p = np.random.default_rng(seed), probabilities(Table.of(seed))
    for distance in (ev.js_divergence, ev.activation_distance, ev.total_variation, ev.disagreement, ev.linear_cka):
        assert distance(p[0], p[1]) == pytest.approx(distance(p[1], p[0]), abs=1e-12)
    turn, _ = np.linalg.qr(rng.normal(size=(CLASSES, CLASSES)))
    for debiased in (False, True):
        plain = ev.linear_cka(p[0], p[1], debiased)
        assert ev.linear_cka(scale * p[0] @ turn + 1, p[1], debiased) == pytest.approx(plain, abs=1e-7)
    assert 0 <= ev.js_divergence(p[0], p[1]) <= math.log(2)
