"""New heads on frozen features: what each form sees, that no answer was taught, and that the model stays as it was."""

import copy

import numpy as np
import pytest
import torch

from unlearn_core.data import Images
from unlearn_core.models import Ensemble, new_model
from unlearn_core.params import BadValue
from unlearn_core.probes.linear_probe import LARGEST, linear_probe, probe_features
from unlearn_core.rows import others
from unlearn_core.training import Training, train
from unlearn_core.unlearning import ALGORITHMS, Request

N, CLASSES = 200, 4
LABELS = np.arange(N) % CLASSES
CLASS = LABELS == 1
SOME = np.arange(N) < 40


def told(labels=LABELS, noise=0.05, seed=0):
    """Features that say the label."""
    return np.eye(CLASSES)[labels] + np.random.default_rng(seed).normal(0, noise, (len(labels), CLASSES))


def silent(seed=0):
    return np.random.default_rng(seed).normal(size=(N, CLASSES))


def test_features_that_say_the_label_are_read_and_others_are_not():
    known = probe_features(told(), LABELS, SOME)
    assert known.accuracy == known.halves == known.retained == 1
    unknown = probe_features(silent(), LABELS, SOME)
    assert unknown.accuracy < 0.6 and unknown.halves < 0.6 and unknown.retained < 0.6


def test_a_class_can_be_named_only_by_a_head_that_was_taught_it():
    known = probe_features(told(), LABELS, CLASS)
    assert known.retained is None  # nothing to be right about
    assert known.accuracy == known.halves == 1
    assert probe_features(told(), LABELS, CLASS, few=0).accuracy == 0


def test_features_blind_to_a_class_are_seen_by_few_images_sooner_than_by_many():
    """The forgotten class lies where another does, but for a faint difference in one more direction."""
    seen_as = np.where(CLASS, 2, LABELS)
    rng = np.random.default_rng(1)
    blind = np.c_[told(seen_as), 0.12 * CLASS + rng.normal(0, 0.05, N)]
    sharp = np.c_[told(), np.zeros(N)]
    gaps = {form: getattr(probe_features(sharp, LABELS, CLASS, few=2), form) for form in ("accuracy", "halves")}
    gaps = {form: gaps[form] - getattr(probe_features(blind, LABELS, CLASS, few=2), form) for form in gaps}
    assert gaps["accuracy"] > gaps["halves"] + 0.05


def test_no_image_is_asked_that_was_taught():
    """Labels by chance, and room to learn each by heart: whoever is asked only about others is right by chance."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 120)
    labels[:2] = 0, 1
    forgotten = np.arange(120) >= 60
    wide = rng.normal(size=(120, 500))
    found = probe_features(wide, labels, forgotten, few=30, draws=20)
    assert max(found.accuracy, found.halves, found.retained) < 0.68


def test_scale_and_shift_of_the_features_do_not_matter():
    features = told(noise=0.6)
    found = probe_features(features, LABELS, SOME)
    assert 0.3 < found.accuracy < 1
    again = probe_features(1000 * features + 7, LABELS, SOME)
    assert np.array_equal(found.few, again.few) and (found.halves, found.retained) == (again.halves, again.retained)


def test_draws_differ_and_are_the_same_for_every_model():
    found = probe_features(told(noise=0.5), LABELS, CLASS, few=1, draws=8)
    assert found.few.shape == (8,) and len(set(found.few)) > 1
    assert np.array_equal(probe_features(told(noise=0.5), LABELS, CLASS, few=1, draws=3).few, found.few[:3])
    assert not np.array_equal(probe_features(told(noise=0.5), LABELS, CLASS, few=1, draws=8, seed=1).few, found.few)


def test_a_class_with_one_forget_image_is_asked_and_not_taught():
    one = np.arange(N) == 5
    found = probe_features(told(), LABELS, one)
    assert found.accuracy == found.halves == found.retained == 1
    # The only image of its class: nobody can know it.
    labels = np.where(one, 9, LABELS)
    alone = probe_features(told(), labels, one)
    assert alone.accuracy == alone.halves == 0 and alone.retained is None


def test_a_few_images_are_heard_beside_many():
    """Two overlapping classes, one of them forgotten: a head that knew how rare it is would hardly ever name it."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [400, 100])
    features = rng.normal(2 * labels - 1, 1.0)[:, None]
    assert probe_features(features, labels, labels == 1, few=5, draws=20).accuracy > 0.7


def test_constant_features_say_nothing():
    found = probe_features(np.ones((N, 3)), LABELS, SOME)
    assert found.retained <= 0.5


def test_what_cannot_be_probed_is_refused():
    broken = told()
    broken[3, 1] = np.nan
    for features, forgotten, settings in (
        (broken, SOME, {}),
        (told(), np.zeros(N, bool), {}),
        (told(), np.ones(N, bool), {}),
        (told(), SOME, {"draws": 0}),
        (told(), SOME, {"few": -1}),
        (told(), LABELS != 2, {"few": 0}),  # one class is left to teach
    ):
        with pytest.raises(BadValue):
            probe_features(features, LABELS, forgotten, **settings)


# -- models ------------------------------------------------------------------------------------------------------------


def test_it_sees_what_only_the_last_layer_forgot(digits):
    """A class of the digits: the edit of the last layer hides it from the outputs, a retrained model never knew it."""
    recipe = Training(epochs=10, lr=0.3)
    forget = np.flatnonzero(digits.train.y.numpy() == 8)
    keep = others(forget, len(digits.train.y))
    original = train(recipe, digits, np.arange(len(digits.train.y))).model
    request = Request(digits.train.x, digits.train.y, forget, keep, 10, validation=digits.validation)
    edited = ALGORITHMS["lra-npp"]()(original, request).model
    retrained = [train(recipe.but(seed=seed), digits, keep).model for seed in (0, 1)]
    with torch.no_grad():
        for model in (edited, *retrained):
            assert (model(digits.train.x[forget]).argmax(1) == 8).float().mean() < 0.05
    left = linear_probe(edited, digits.train, forget)
    floor = [linear_probe(model, digits.train, forget).accuracy for model in retrained]
    assert left.accuracy > max(floor) + 0.1
    assert abs(floor[0] - floor[1]) < 0.08
    assert left.few.tolist() == linear_probe(original, digits.train, forget).few.tolist()


def test_the_model_stays_as_it_was(tiny):
    model = new_model("resnet20", tiny, 0, 4).train().requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    linear_probe(model, tiny.train, np.arange(40))
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())


def test_an_ensemble_has_features_too(tiny, tiny_model):
    found = linear_probe(Ensemble([tiny_model, tiny_model]), tiny.train, np.arange(40))
    assert found.accuracy > 0.8


def test_the_order_of_the_rows_does_not_matter_and_many_retained_images_are_drawn_from(tiny, tiny_model):
    rows = np.arange(3, 90, 3)
    found, turned = (linear_probe(tiny_model, tiny.train, some) for some in (rows, rows[::-1].copy()))
    assert np.array_equal(found.few, turned.few) and found.halves == turned.halves
    many = np.resize(np.arange(300), LARGEST + 400)
    crowd = Images(tiny.train.x[many], tiny.train.y[many])
    assert linear_probe(tiny_model, crowd, rows, draws=1).accuracy > 0.9
