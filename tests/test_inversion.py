"""Unlearning inversion: closed forms, ties and what cannot be read; then the audit with both of its controls."""

import copy
import json

import golden
import golden_inversion
import gradient_matching
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unlearn_core.attacks import clopper_pearson, inversion
from unlearn_core.data import Images
from unlearn_core.models import Classifier, Ensemble, new_model
from unlearn_core.params import BadValue
from unlearn_core.probes import inversion as probe

VECTORS = json.loads(golden.SHIPPED.read_text())["vectors"]


@pytest.mark.parametrize("name", golden_inversion.COMPUTE)
def test_known_answers(name, monkeypatch):
    monkeypatch.setattr(golden, "COMPUTE", golden_inversion.COMPUTE)
    assert golden.judge(VECTORS[name], golden.compute(name, VECTORS[name]["inputs"])) == []


def softmax_gradient(x, y, weight, bias):
    """The gradient of the cross-entropy of softmax regression at one image, by hand."""
    z = weight @ x + bias
    p = np.exp(z - z.max())
    p /= p.sum()
    off = p - np.eye(len(bias))[y]
    return [np.outer(off, x), off]


def regression(seed, classes=5, width=7):
    rng = np.random.default_rng(seed)
    return rng, [rng.normal(size=(classes, width)), rng.normal(size=classes)]


# -- the last layer ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.floats(1e-4, 10.0), st.integers(2, 6), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_one_step_up_gives_the_label_and_the_features_away(seed, rate, classes, width):
    rng, before = regression(seed, classes, width)
    x, y = rng.normal(size=width), int(rng.integers(classes))
    after = [w + rate * g for w, g in zip(before, softmax_gradient(x, y, *before), strict=True)]
    weight, bias = inversion.ascent_target(before, after)
    assert inversion.bias_label(bias) == y
    assert inversion.head_features(weight, bias, y) == pytest.approx(x, rel=1e-6, abs=1e-6)


def test_leaving_an_image_out_of_one_step_gives_it_away_too():
    """Exact unlearning: one step of gradient descent with all images, and one without the last."""
    rng, start = regression(1)
    x, y = rng.normal(size=(6, 7)), rng.integers(0, 5, 6)
    slopes = [softmax_gradient(a, b, *start) for a, b in zip(x, y, strict=True)]

    def stepped(some):
        return [w - 0.1 * np.mean([s[i] for s in some], axis=0) for i, w in enumerate(start)]

    weight, bias = inversion.exact_target(start, stepped(slopes), stepped(slopes[:-1]), 6, 1)
    assert weight == pytest.approx(0.1 * slopes[-1][0])
    assert inversion.bias_label(bias) == y[-1]
    assert inversion.head_features(weight, bias, int(y[-1])) == pytest.approx(x[-1])


def test_the_label_falls_out_of_ties_and_nothing():
    assert inversion.bias_label([0.2, -0.1, -0.1]) == 1
    assert inversion.bias_label([0.0, 0.0, 0.0]) is None
    assert inversion.bias_label([]) is None
    assert inversion.head_features([[1.0], [2.0]], [0.0, 1.0], 0) is None
    assert inversion.head_features([[1.0], [2.0]], [0.0, 4.0], 1) == [0.5]


def test_labels_of_several_images():
    counts = inversion.bias_label_counts
    assert counts([-2.0, 1.0, -1.0], 3).tolist() == [2, 0, 1]
    assert counts([-1.0, -1.0, 2.0], 3).tolist() == [2, 1, 0]  # a tie goes to the lowest class
    assert counts([-0.1, -0.1, -0.1], 3).tolist() == [1, 1, 1]
    assert counts([0.5, 0.5], 3) is None
    assert counts([-1.0, 1.0], 0).tolist() == [0, 0]
    # An untrained layer, probabilities 1 / 10: counts of a real batch come out right.
    y = np.array([3, 3, 3, 7, 7, 1, 0, 0, 0, 0])
    bias = (np.full((10, 10), 0.02) - np.eye(10)[y]).mean(0)
    assert counts(bias, 10).tolist() == np.bincount(y, minlength=10).tolist()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 50))
@settings(max_examples=80, deadline=None)
def test_counts_add_up_and_keep_the_order(bias, images):
    counts = inversion.bias_label_counts(bias, images)
    if counts is None:
        assert min(bias) >= -1e-300
        return
    assert counts.sum() == images and counts.min() >= 0
    assert (counts[np.array(bias) >= 0] == 0).all()
    order = np.argsort(bias, kind="stable")
    assert (np.diff(counts[order]) <= 0).all() or np.ptp(np.array(bias)[order]) < 1e-8
    assert inversion.bias_label_counts([4 * b for b in bias], images).tolist() == counts.tolist()


def test_places_among_candidates():
    candidates = np.array([[1.0, 0], [1, 1], [0, 1], [2, 0], [0, 0], [-1, 0]])
    rank = [inversion.retrieval_rank([3.0, 0.0], candidates, i) for i in range(6)]
    # Two point the same way and share places 1 and 2, two stand at right angles, or nowhere, and share 4 and 5.
    assert rank == [1.5, 3, 4.5, 1.5, 4.5, 6]
    assert [inversion.retrieval_rank([0.0, 0.0], candidates, i) for i in range(6)] == [3.5] * 6
    assert inversion.retrieval_rank([1e-200, 0.0], candidates, 5) == 6  # its square would be lost


def test_the_chance_to_be_found():
    assert inversion.retrieval_auc([1, 1], 10) == 1
    assert inversion.retrieval_auc([10.0], 10) == 0
    assert inversion.retrieval_auc(np.arange(1, 12), 11) == pytest.approx(0.5)
    assert inversion.retrieval_auc([1.5, 3], [2, 5]) == pytest.approx((0.5 + 0.5) / 2)
    assert inversion.retrieval_auc([], 10) is None
    for ranks, of in (([0], 10), ([11], 10), ([1], 1), ([np.nan], 10)):
        with pytest.raises(BadValue):
            inversion.retrieval_auc(ranks, of)


# -- the outputs -------------------------------------------------------------------------------------------------------


def test_the_class_that_lost_most():
    before = np.array([[0.9, 0.1, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    after = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.0, 1.0, 0.0]])
    classes, changes = inversion.probe_changes(before, after, [0, 0, 1, 2])
    assert classes.tolist() == [0, 1, 2] and changes == pytest.approx([-0.2, -0.3, -1.0])
    assert inversion.probe_label(before, after, [0, 0, 1, 2]) == 2
    # Without probes of class 2 it cannot be named, and no other class takes its number.
    assert inversion.probe_label(before[:3], after[:3], [0, 0, 1]) == 1
    assert inversion.probe_label(before[2:], after[2:], [1, 2]) == 2
    order = [3, 1, 0, 2]
    assert inversion.probe_label(before[order], after[order], np.array([0, 0, 1, 2])[order]) == 2


def test_no_change_names_no_class():
    probs = np.full((2, 2), 0.5)
    assert inversion.probe_label(probs, probs, [0, 1]) is None
    assert inversion.probe_label(probs[:0], probs[:0], []) is None
    assert inversion.probe_label([[1.0, 0], [0, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [0, 1]) == 0


def test_accuracy_of_guesses_has_an_exact_interval():
    found = inversion.label_accuracy([1, None, 0, 0], [1, 1, 1, 0])
    assert found.value == 0.5 and (found.low, found.high) == clopper_pearson(2, 4)
    assert inversion.label_accuracy([None], [0]).value == 0
    assert inversion.label_accuracy([], []).value is None
    with pytest.raises(BadValue):
        inversion.label_accuracy([1], [1, 2])


# -- the image ---------------------------------------------------------------------------------------------------------

A, B = [np.array([[1.0, 0.0]]), np.array([2.0])], [np.array([[0.0, 3.0]]), np.array([0.0])]


def test_distance_of_directions():
    assert gradient_matching.cosine_distance(A, A) == pytest.approx(0, abs=1e-12)
    assert gradient_matching.cosine_distance(A, [-5 * x for x in A]) == pytest.approx(2)
    assert gradient_matching.cosine_distance(A, B) == pytest.approx(1)
    assert gradient_matching.cosine_distance(A, [0 * x for x in A]) is None
    # One angle over all arrays: the mean of an angle for each would be another number.
    assert gradient_matching.cosine_distance([[1.0], [1.0]], [[1.0], [-1.0]]) == pytest.approx(1)
    assert gradient_matching.cosine_distance([[1.0], [3.0]], [[1.0], [-1.0]]) == pytest.approx(1 + 2 / np.sqrt(20))


def test_total_variation_by_hand():
    assert gradient_matching.total_variation([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]) == pytest.approx(3 / 4 + 4 / 3)
    assert gradient_matching.total_variation(np.ones((2, 3, 4, 5))) == 0
    assert gradient_matching.total_variation([[0.0, 2.0]]) == 2  # one row has no neighbours above
    assert gradient_matching.total_variation([[1.0]]) == 0
    both = np.random.default_rng(0).random((2, 3, 4, 5))
    assert gradient_matching.total_variation(both) == pytest.approx(
        np.mean([gradient_matching.total_variation(x) for x in both])
    )


def test_the_cost_is_the_sum():
    image = [[0.0, 2.0]]
    assert gradient_matching.matching_cost(A, B, image) == pytest.approx(1.02)
    assert gradient_matching.matching_cost(A, B, image, smoothness=0) == pytest.approx(1)
    assert gradient_matching.matching_cost(A, [0 * x for x in A], image) is None


def test_signal_to_noise():
    assert inversion.peak_signal_to_noise(0.01) == pytest.approx(20)
    assert inversion.peak_signal_to_noise(0.0) == np.inf


def test_what_cannot_be_read_is_refused():
    nan = np.array([np.nan])
    for ask, *wrong in (
        (inversion.ascent_target, A, A[:1]),
        (inversion.ascent_target, [], []),
        (inversion.ascent_target, [nan], [nan]),
        (inversion.exact_target, A, A, A, 5, 5),
        (inversion.exact_target, A, A, A, 5, 0),
        (inversion.bias_label, nan),
        (inversion.bias_label, [[1.0]]),
        (inversion.head_features, [[1.0]], [1.0, 2.0], 0),
        (inversion.head_features, [[1.0]], [1.0], 1),
        (inversion.retrieval_rank, [1.0], [[1.0, 2.0]], 0),
        (inversion.retrieval_rank, [1.0], [[1.0]], 1),
        (inversion.probe_changes, [[1.0]], [[1.0, 0.0]], [0]),
        (inversion.probe_changes, [[1.0]], [[1.0]], [1]),
        (inversion.probe_changes, [[1.2]], [[1.0]], [0]),
        (inversion.probe_changes, [[np.nan]], [[1.0]], [0]),
        (inversion.peak_signal_to_noise, -1.0),
    ):
        with pytest.raises(BadValue):
            ask(*wrong)


# -- on models ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def probes(tiny_model):
    return probe.class_probes(tiny_model, (1, 8, 8), each=5)


ROWS = np.arange(0, 300, 3)


def classes_read(audit):
    """The shares of the classes read from the biases and from the probes, with their intervals."""
    return [inversion.label_accuracy(guesses, audit.labels) for guesses in (audit.bias_guesses, audit.probe_guesses)]


def images_found(audit):
    """The chances that a deleted image is found before another candidate, and before another of its class."""
    places = (audit.ranks, audit.candidates), (audit.own_ranks, audit.own_candidates)
    return [inversion.retrieval_auc(ranks[of > 1], of[of > 1]) for ranks, of in places]


def test_probes_are_images_the_original_is_sure_of(tiny_model, probes):
    assert probes.x.shape == (20, 1, 8, 8) and probes.x.min() >= 0 and probes.x.max() <= 1
    assert probes.classes.tolist() == [c for c in range(4) for _ in range(5)]
    assert probes.sure == 1 and probes.confidence.min() >= 0.9995
    said = torch.softmax(tiny_model(probes.x).detach().double(), 1).numpy()[np.arange(20), probes.classes]
    assert said == pytest.approx(probes.confidence, abs=1e-5)
    assert len(probes.x.unique(dim=0)) == 20


def test_probes_that_were_not_reached_say_so(tiny_model):
    early = probe.class_probes(tiny_model, (1, 8, 8), each=5, steps=1)
    assert early.sure < 1 and early.confidence.min() < 0.9995
    later = probe.class_probes(tiny_model, (1, 8, 8), each=5, steps=5)
    assert (later.confidence >= early.confidence - 1e-6).all() and later.confidence.sum() > early.confidence.sum()


def test_the_audit_reads_a_step_up_and_not_training_on(tiny, tiny_model, probes):
    before = copy.deepcopy(tiny_model.state_dict())
    read = probe.audit(tiny_model, tiny.train, ROWS, probe.one_step_up(tiny.train), probes)
    assert read.labels.tolist() == tiny.train.y[ROWS].tolist()
    by_bias, by_probes = classes_read(read)
    assert by_bias.value == 1 and by_bias.low > 0.95 and by_probes.value > 0.8
    assert min(images_found(read)) > 0.99
    control = probe.audit(tiny_model, tiny.train, ROWS, probe.further_training(tiny.train), probes)
    by_bias, by_probes = classes_read(control)
    assert by_bias.low < 0.25 < by_bias.high and by_probes.value < 0.45
    assert all(0.35 < found < 0.65 for found in images_found(control))
    assert all(torch.equal(v, before[k]) for k, v in tiny_model.state_dict().items())


def test_an_unlearner_that_does_nothing_gives_nothing_away(tiny, tiny_model, probes):
    found = probe.audit(tiny_model, tiny.train, ROWS[:9], lambda model, row: model, probes)
    assert found.bias_guesses == found.probe_guesses == [None] * 9
    assert [read.value for read in classes_read(found)] == [0, 0] and images_found(found) == [0.5, 0.5]


def test_candidates_are_counted_with_the_image_itself(tiny, tiny_model, probes):
    def found(candidates):
        return probe.audit(tiny_model, tiny.train, ROWS, probe.one_step_up(tiny.train), probes, candidates)

    all_of_them = found(1000)
    assert (all_of_them.candidates == 300).all() and (all_of_them.own_candidates == 75).all()
    few = found(20)
    assert set(few.candidates) <= {20, 21} and few.candidates.max() == 21
    assert (few.ranks <= few.candidates).all() and (few.own_candidates < 20).all()
    alone = found(1)
    assert alone.own_candidates.min() == 1 and images_found(alone)[1] in (None, pytest.approx(1))


def test_a_model_with_batchnorm_is_audited_and_left_as_it_was(tiny):
    model = new_model("resnet20", tiny, 0, 4).train()
    before = copy.deepcopy(model.state_dict())
    some = probe.class_probes(model, (1, 8, 8), each=1, steps=3)
    found = probe.audit(model, tiny.train, ROWS[:5], probe.one_step_up(tiny.train), some)
    assert classes_read(found)[0].value == 1 and images_found(found)[0] > 0.9
    probe.audit(model, tiny.train, ROWS[:2], probe.further_training(tiny.train, steps=1), some)
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_what_cannot_be_audited_is_refused(tiny, tiny_model, probes):
    step = probe.one_step_up(tiny.train)
    with pytest.raises(BadValue):
        probe.audit(tiny_model, tiny.train, ROWS[:0], step, probes)
    unbiased = Classifier(nn.Flatten(), nn.Linear(64, 4, bias=False), [0.5], [0.2])
    for model in (Ensemble([tiny_model, tiny_model]), unbiased):
        with pytest.raises(BadValue, match="last layer"):
            probe.audit(model, tiny.train, ROWS[:1], step, probes)


# -- gradient matching -------------------------------------------------------------------------------------------------


def test_the_image_comes_back_from_its_gradient(tiny, tiny_model):
    after = probe.one_step_up(tiny.train)(copy.deepcopy(tiny_model), 7)
    target = inversion.ascent_target(probe.weights(tiny_model), probe.weights(after))
    pixels = tiny.train.x.numpy() / 255
    found = probe.reconstruct(tiny_model, target, int(tiny.train.y[7]), (1, 8, 8), steps=300, restarts=2)
    assert found.image.shape == (1, 8, 8) and found.image.min() >= 0 and found.image.max() <= 1
    alike = probe.likeness(found.image, pixels, 7)
    assert alike.rank == 1 and alike.signal_to_noise > probe.likeness(pixels.mean(0), pixels, 7).signal_to_noise
    # The cost is the one that arrays give: of the gradient at the image that was found.
    images = Images(torch.from_numpy(found.image)[None], tiny.train.y[7:8])
    again = probe.one_step_up(images, rate=1.0)(copy.deepcopy(tiny_model), 0)
    trial = inversion.ascent_target(probe.weights(tiny_model), probe.weights(again))
    assert gradient_matching.matching_cost(trial, target, found.image) == pytest.approx(found.costs.min(), abs=2e-3)
    worse = probe.reconstruct(tiny_model, target, int(tiny.train.y[7]), (1, 8, 8), steps=5, restarts=2)
    assert worse.costs.min() > found.costs.min()


def test_convolutions_and_ensembles_can_be_inverted(tiny, tiny_model):
    for model in (new_model("cnn", tiny, 0, 2), new_model("resnet20", tiny, 0, 2), Ensemble([tiny_model] * 2)):
        after = probe.one_step_up(tiny.train)(copy.deepcopy(model).eval(), 3)
        target = inversion.ascent_target(probe.weights(model), probe.weights(after))
        costs = [probe.reconstruct(model, target, 3, (1, 8, 8), steps=n, restarts=2).costs.min() for n in (1, 12)]
        assert np.isfinite(costs).all() and costs[1] < costs[0]


def test_a_target_that_leads_nowhere_is_refused(tiny_model):
    weights = probe.weights(tiny_model)
    for target in ([0 * w for w in weights], weights[:-1], [np.full_like(w, np.nan) for w in weights]):
        with pytest.raises(BadValue):
            probe.reconstruct(tiny_model, target, 0, (1, 8, 8), steps=1)


def test_likeness_by_hand():
    candidates = np.array([0.0, 0.5, 1.0, 0.5]).reshape(4, 1, 1, 1)
    found = probe.likeness(np.full((1, 1, 1), 0.6), candidates, 1)
    assert found.squared_error == pytest.approx(0.01) and found.signal_to_noise == pytest.approx(20)
    assert found.rank == 1.5  # two candidates are the same image
    assert probe.likeness(np.full((1, 1, 1), 0.6), candidates, 0).rank == 4
    assert probe.likeness(candidates[2], candidates, 2).signal_to_noise == np.inf
    with pytest.raises(BadValue):
        probe.likeness(np.zeros((1, 2, 1)), candidates, 0)
