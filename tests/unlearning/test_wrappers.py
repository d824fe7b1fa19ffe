"""UWC: between the original and the unlearned model, as far as the accuracy on unseen images allows."""

import copy

import numpy as np
import pytest
import torch

from tests.unlearning.common import same
from unlearn_core.training import predict
from unlearn_core.unlearning import Cost, Unlearned
from unlearn_core.unlearning.base import Unlearner
from unlearn_core.unlearning.ends.sisa import SISA
from unlearn_core.unlearning.mixing import mixed, refresh_batch_norm, retained_images
from unlearn_core.unlearning.push_away.neggrad import NegGrad
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.request import Batch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune
from unlearn_core.unlearning.wrappers.uwc import UWC

STRONG = NegGradPlus(epochs=3, batch=32, lr=0.1, alpha=0.3)


class Gives(Unlearner):
    """Gives a model that was made before."""

    title = "gives"
    needs = ()
    model = None

    def __call__(self, original, request):
        return Unlearned(copy.deepcopy(type(self).model), Cost())


def equal(a, b):
    """Whether all parameters and buffers are the same, to the bit."""
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("net", ["plain", "with BatchNorm"])
def test_its_ends_are_the_inner_model_and_the_original_bit_for_bit(net, tiny_model, with_batch_norm, asked):
    model, request = tiny_model if net == "plain" else with_batch_norm, asked()
    inner = FineTune(epochs=1, lr=0.05)
    unlearned = inner(model, request)
    one = UWC(inner=inner, calibrate=False, alpha=1.0)(model, request)
    assert equal(one.model, unlearned.model) and not same(one.model, model)
    assert equal(UWC(inner=inner, calibrate=False, alpha=0.0)(model, request).model, model)
    assert one.cost.notes == {"alpha": 1.0}
    assert (one.cost.steps, one.cost.retain_gradients) == (unlearned.cost.steps, unlearned.cost.retain_gradients)


def test_between_the_ends_weights_lie_on_the_line(tiny_model, asked):
    inner = FineTune(epochs=1, lr=0.1)
    far = inner(tiny_model, asked()).model
    near = UWC(inner=inner, calibrate=False, alpha=0.3)(tiny_model, asked()).model
    for a, b, mix in zip(tiny_model.parameters(), far.parameters(), near.parameters(), strict=True):
        expected = a.detach().double().numpy() + 0.3 * (b.detach().double().numpy() - a.detach().double().numpy())
        np.testing.assert_allclose(mix.detach().numpy(), expected, atol=1e-6)


def test_batch_norm_is_estimated_anew_on_retain_images(with_batch_norm, asked):
    request = asked()
    unlearner = UWC(inner=FineTune(epochs=1, lr=0.1), calibrate=False, alpha=0.5)
    mix = unlearner(with_batch_norm, request).model
    chunks = list(retained_images(request))
    assert sum(len(c) for c in chunks) == 260 and len(chunks) == 2
    conv = mix.trunk[0]
    with torch.no_grad():
        means, variances = [], []
        for x in chunks:
            out = conv((x.float() / 255 - mix.mean) / mix.std).double()
            means.append(out.mean((0, 2, 3)))
            variances.append(out.var((0, 2, 3)))
    norm = mix.trunk[1]
    torch.testing.assert_close(norm.running_mean.double(), torch.stack(means).mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var.double(), torch.stack(variances).mean(0), rtol=1e-4, atol=1e-5)
    assert norm.momentum == with_batch_norm.trunk[1].momentum and not norm.training
    ours = {(r.item()) for c in chunks for r in c.flatten(1).double().sum(1)}
    kept = request.x[torch.from_numpy(request.retain)].flatten(1).double().sum(1)
    assert ours == {r.item() for r in kept}  # retain images and no others


def test_a_single_retain_image_leaves_the_statistics(with_batch_norm, asked):
    request = asked(retain=np.array([200]))
    unlearner = UWC(inner=NegGrad(epochs=1, lr=0.01), calibrate=False, alpha=0.5)
    assert list(retained_images(request)) == []
    assert all(torch.isfinite(v).all() for v in unlearner(with_batch_norm, request).model.state_dict().values())


def test_refreshing_a_net_without_batch_norm_asks_nothing(tiny_model):
    refresh_batch_norm(tiny_model, iter(lambda: pytest.fail("it looked"), None))


def right(model, request):
    said = model(request.validation.x).argmax(1)
    return int((said == request.validation.y).sum())


@pytest.mark.parametrize("retention", [0.6, 0.9, 0.99])
def test_alpha_is_the_largest_that_keeps_the_share_of_accuracy(retention, tiny_model, asked):
    request = asked()
    far = STRONG(tiny_model, request).model
    bar = retention * right(tiny_model, request)
    assert right(far, request) < bar  # there is something to be found
    found = UWC(inner=STRONG, retention=retention)(tiny_model, request)
    alpha = found.cost.notes["alpha"]
    assert 0 < alpha < 1 and "not mixable" not in found.cost.notes
    assert right(found.model, request) >= bar
    # A little further it is too much: the interval after twelve halvings.
    assert right(mixed(tiny_model, far, alpha + 0.1 / 2**12), request) < bar
    assert same(found.model, mixed(tiny_model, far, alpha))


def test_what_keeps_enough_is_not_mixed(tiny_model, asked):
    inner = FineTune(epochs=1)
    found = UWC(inner=inner, retention=0.9)(tiny_model, asked())
    assert found.cost.notes == {"alpha": 1.0} and same(found.model, inner(tiny_model, asked()).model)


def test_models_that_do_not_mix_are_said(tiny_model, asked):
    """The same function with its hidden units in another order: good at both ends, not between."""
    shuffled = copy.deepcopy(tiny_model)
    order = torch.arange(15, -1, -1)
    with torch.no_grad():
        shuffled.trunk[1].weight.copy_(tiny_model.trunk[1].weight[order])
        shuffled.trunk[1].bias.copy_(tiny_model.trunk[1].bias[order])
        shuffled.head.weight.copy_(tiny_model.head.weight[:, order])
    Gives.model = shuffled
    request = asked()
    assert right(shuffled, request) == right(tiny_model, request)
    assert right(mixed(tiny_model, shuffled, 0.5), request) < 0.99 * right(tiny_model, request)
    found = UWC(inner=Gives(), retention=0.99)(tiny_model, request)
    assert found.cost.notes == {"not mixable": 1.0, "alpha": 1.0} and same(found.model, shuffled)


def test_an_ensemble_does_not_mix(tiny_model, asked):
    inner = SISA(shards=2, slices=1, epochs=1)
    found = UWC(inner=inner)(tiny_model, asked())
    assert found.cost.notes["not mixable"] == 1.0 and same(found.model, inner(tiny_model, asked()).model)


def test_the_images_of_a_forgotten_class_do_not_count(tiny_model, asked, tiny):
    """Else forgetting one class of four could never reach the bar."""
    gone = np.flatnonzero(tiny.train.y.numpy() == 1)
    request = asked(forget=gone, retain=np.setdiff1d(np.arange(300), gone))
    forgets = copy.deepcopy(tiny_model)
    with torch.no_grad():
        forgets.head.bias[1] -= 1000
    Gives.model = forgets
    assert UWC(inner=Gives(), retention=0.95)(tiny_model, request).cost.notes == {"alpha": 1.0}
    assert UWC(inner=Gives(), retention=0.95)(tiny_model, asked()).cost.notes["alpha"] < 0.1


def test_it_needs_what_its_inner_algorithm_needs_and_validation_only_to_calibrate(tiny_model, asked):
    assert "forget" not in UWC(inner=FineTune()).needs and "recipe" in UWC(inner=SISA()).needs
    request = asked(validation=None)
    assert "validation" not in UWC(calibrate=False).needs
    UWC(calibrate=False, alpha=0.5, inner=FineTune(epochs=1))(tiny_model, request)


def test_on_images_it_brings_the_accuracy_back(on_digits):
    images, model, request = on_digits
    inner = NegGradPlus(lr=0.03, alpha=0.8)
    alone, mix = (u(model, request).model for u in (inner, UWC(inner=inner, retention=0.99)))

    def accuracy(m, rows):
        o = predict(m, images.train)
        return (o.logits.argmax(1) == o.labels)[rows].mean()

    assert accuracy(alone, request.retain) < accuracy(mix, request.retain) > 0.98
    assert accuracy(alone, request.forget) < accuracy(mix, request.forget) < 1
    unseen = Batch(images.validation.x, images.validation.y)
    assert (mix(unseen.x).argmax(1) == unseen.y).sum() >= 0.99 * (model(unseen.x).argmax(1) == unseen.y).sum()


def test_without_a_batch_the_statistics_stay(with_batch_norm):
    model = copy.deepcopy(with_batch_norm)
    with torch.no_grad():
        model.trunk[1].running_mean.fill_(3.0)
    refresh_batch_norm(model, [])
    assert (model.trunk[1].running_mean == 3.0).all()
