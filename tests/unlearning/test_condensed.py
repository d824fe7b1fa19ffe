"""The condensed retain set, against what it is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unlearning.common import same
from unlearn_core.params import BadValue
from unlearn_core.training import embed, predict
from unlearn_core.unlearning import Cost, Unlearned
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.condensed.buckets import buckets
from unlearn_core.unlearning.condensed.condensation import Condensed
from unlearn_core.unlearning.draws import generator
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.retain_only.fine_tune import FineTune


class Seen(Unlearner):
    """Keeps what it is asked."""

    title = "seen"
    needs = ("retain", "labels")

    def __call__(self, original, request):
        type(self).request = request
        return Unlearned(original, Cost())


def reduced(model, request, **settings):
    Condensed(inner=Seen(), **settings)(model, request)
    return Seen.request


@pytest.mark.parametrize("inner", [FineTune(epochs=2, lr=0.05, batch=32), NegGradPlus(epochs=2, lr=0.05, batch=32)])
def test_buckets_of_one_image_give_the_inner_algorithm(inner, tiny_model, asked):
    """Bit for bit: an image condensed alone, without fitting, is that image."""
    request = asked()
    ours = Condensed(inner=inner, images=1, fit=0)(tiny_model, request)
    theirs = inner(tiny_model, request)
    assert same(ours.model, theirs.model) and not same(ours.model, tiny_model)
    assert ours.cost.retain_gradients == theirs.cost.retain_gradients
    assert ours.cost.notes["share of the retain set"] == 1.0


def test_what_is_kept_is_whole_buckets_and_the_rest_of_touched_ones(tiny_model, asked, tiny):
    """Bucket by bucket, with the buckets found once more: no image twice, none lost, none of the forget set."""
    request, settings = asked(forget=np.array([10, 14, 33])), {"images": 12, "fit": 0}
    smaller = reduced(tiny_model, request, **settings)
    assert (smaller.forget == request.forget).all() and torch.equal(smaller.x[:300], request.x)
    real, new = smaller.retain[smaller.retain < 300], smaller.retain[smaller.retain >= 300]
    assert np.array_equal(new, np.arange(300, len(smaller.y))) and len(new) > 0
    rows = np.arange(300)
    features = torch.from_numpy(embed(tiny_model, tiny.train))
    bucket = buckets(features, request.y, 12, generator(request))
    touched = set(bucket[request.forget])
    assert set(real) == {r for r in rows if bucket[r] in touched} - set(request.forget) and len(real)
    whole = sorted(set(bucket) - touched, key=lambda b: np.flatnonzero(bucket == b)[0])
    assert len(new) == len(whole) and len(np.unique(bucket)) == 4 * 7  # 75 images of each class
    for b, row in zip(whole, new, strict=True):
        its = np.flatnonzero(bucket == b)
        assert set(request.y[its].tolist()) == {int(smaller.y[row])}
        mean = request.x[its].double().mean(0)  # without fitting, the plain mean, rounded
        assert float((smaller.x[row].double() - mean).abs().max()) <= 0.5 + 1e-3


def test_fitting_brings_the_feature_to_the_mean_of_the_bucket(tiny_model, asked, tiny):
    request, features = asked(), torch.from_numpy(embed(tiny_model, tiny.train))
    bucket = buckets(features, request.y, 12, generator(request))
    whole = sorted(set(bucket) - set(bucket[request.forget]), key=lambda b: np.flatnonzero(bucket == b)[0])
    target = torch.stack([features[bucket == b].mean(0) for b in whole])

    def distance(fit):
        made = reduced(tiny_model, request, images=12, fit=fit).x[300:]
        with torch.no_grad():
            return float(((tiny_model.embed(made) - target) ** 2).sum())

    assert distance(200) < 0.75 * distance(0)


def test_condensing_counts(tiny_model, asked):
    request = asked()
    smaller = reduced(tiny_model, request, images=12, fit=7)
    cost = Condensed(inner=Original(), images=12, fit=7)(tiny_model, request).cost
    assert cost.retain_gradients == 7 * (len(smaller.y) - 300)
    assert cost.notes["share of the retain set"] == len(smaller.retain) / 260


def test_floating_images_stay_floating(tiny_model, asked):
    request = asked()
    smaller = reduced(tiny_model, replace(request, x=request.x.float() / 255), images=12, fit=0)
    assert smaller.x.dtype == torch.float32 and float(smaller.x.max()) <= 1
    rounded = reduced(tiny_model, request, images=12, fit=0)
    torch.testing.assert_close(rounded.x.float() / 255, smaller.x, rtol=0, atol=0.6 / 255)


def test_what_trains_by_the_recipe_cannot_be_inside():
    with pytest.raises(BadValue, match=r"^Retrain trains as the original was trained.*\.$"):
        Condensed(inner=Retrain())


def test_features_that_are_no_numbers_are_refused(tiny_model, asked):
    x = asked().x.float() / 255
    x[5] = torch.nan
    with pytest.raises(BadValue, match="not finite"):
        Condensed()(tiny_model, asked(x=x))


def test_a_forgotten_class_costs_a_tenth_and_the_rest_is_kept(on_digits):
    images, model, request = on_digits
    gone = np.flatnonzero(images.train.y.numpy() == 3)
    request = replace(request, forget=gone, retain=np.setdiff1d(np.arange(len(images.train.y)), gone))
    unlearned = Condensed()(model, request)
    assert unlearned.cost.notes["share of the retain set"] < 0.15
    right = predict(unlearned.model, images.train)
    right = right.logits.argmax(1) == right.labels
    assert right[request.retain].mean() > 0.97
