"""Layer by layer: what is kept of every layer, and known answers of likeness."""

import shutil

import numpy as np
import pytest
import torch

from unlearn_core.data import Images
from unlearn_core.experiment import LayerCka, OpenStudy, fulfil, layers
from unlearn_core.experiment.trained_models import load_model
from unlearn_core.models import new_model
from unlearn_core.store import Store
from unlearn_core.training import predict


@pytest.fixture(scope="module")
def study(filled_store, filled_study, tmp_path_factory):
    root = tmp_path_factory.mktemp("layers") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)
    return OpenStudy(store, fulfil(store, filled_study))


@pytest.fixture(scope="module")
def table(study):
    assert layers.finished(study) is None
    fulfil(study.store, LayerCka(study=study.spec))
    return layers.finished(study)


def test_the_last_layer_is_the_logits_and_the_model_stays_as_it_is(tiny, tiny_model):
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    found = layers.activations(tiny_model, tiny.train)
    assert list(found) == ["trunk.1", "head"] and found["trunk.1"].shape == (300, 16)
    assert np.allclose(found["head"], predict(tiny_model, tiny.train).logits, atol=1e-5)
    assert not any(module._forward_hooks for module in tiny_model.modules())
    assert all(torch.equal(value, before[name]) for name, value in tiny_model.state_dict().items())


def test_convolutions_are_averaged_over_positions(tiny):
    model = new_model("cnn", tiny, 0, 4)
    found = layers.activations(model, tiny.test)
    assert [(name, x.shape[1]) for name, x in found.items()] == [
        ("trunk.0", 4),
        ("trunk.3", 8),
        ("trunk.7", 16),
        ("head", 4),
    ]
    x = (tiny.test.x.float() / 255 - model.mean) / model.std
    by_hand = model.trunk[0](x).mean(dim=(2, 3)).detach().numpy()
    assert np.allclose(found["trunk.0"], by_hand, atol=1e-5)


def test_a_model_is_like_itself_and_like_itself_turned(tiny, tiny_model):
    own = layers.activations(tiny_model, tiny.test)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0].astype(np.float32)
    turned = {"trunk.1": 3 * own["trunk.1"] @ turn, "head": own["head"]}
    for other in (own, turned):
        for line in layers.alike(own, other):
            assert line["plain"] == pytest.approx(1, abs=1e-5) and line["debiased"] == pytest.approx(1, abs=1e-5)


def test_other_layers_cannot_be_compared_and_few_images_have_no_value(tiny, tiny_model):
    three = Images(tiny.test.x[:3], tiny.test.y[:3])
    own = layers.activations(tiny_model, three)
    assert layers.alike(own, layers.activations(new_model("cnn", tiny, 0, 4), three)) is None
    assert [line["debiased"] for line in layers.alike(own, own)] == [None, None]


def test_every_model_of_the_study_has_its_lines(study, table):
    names = set(study.table["method"])
    for to in ("original", "retrained"):
        assert set(table.loc[table["to"] == to, "method"]) == names - {to}
    assert len(table) == 2 * (len(names) - 1) * 2 * 2 * 3  # references, methods, groups, layers, seeds
    assert (table.loc[table["on"] == "forget", "images"] == 30).all()
    assert table["plain"].between(0, 1 + 1e-9).all()


def test_likeness_goes_both_ways_and_is_that_of_the_stored_models(study, table):
    pairs = table.set_index(["method", "to", "on", "layer", "seed"]).sort_index()
    there, back = (
        pairs.loc[(m, to, "test")].sort_index() for m, to in (("original", "retrained"), ("retrained", "original"))
    )
    assert np.allclose(there["plain"], back["plain"])
    training = study.spec.training.but(seed=1)
    models = [load_model(study.store, training, study.run_result(m, 1)) for m in ("fine-tune", "original")]
    line = layers.alike(*(layers.activations(model, study.data.test) for model in models))[1]
    assert pairs.loc[("fine-tune", "original", "test", 1, 1), "debiased"] == pytest.approx(line["debiased"])


def test_means_are_over_seeds_and_the_judge_is_no_side_of_itself(table):
    found = layers.means(table).set_index(["method", "to", "on", "layer"]).sort_index()
    line = found.loc[("rum", "retrained", "forget", 1)]
    own = table[(table["method"] == "rum") & (table["to"] == "retrained") & (table["on"] == "forget")]
    assert line["mean"] == pytest.approx(own.loc[own["layer"] == 1, "debiased"].mean())
    assert (found.loc[("retrained-again", "retrained"), "side"] == 0).all()
    assert (found.loc[("retrained", "original"), "side"] == 0).all()
    assert set(found["side"]) <= {-1, 0, 1}


def test_no_more_images_than_asked(study):
    some = layers._some(study.data.train, study.forget, 7)
    assert len(some.y) == 7
    assert np.array_equal(some.y.numpy(), study.labels[study.forget[np.linspace(0, 29, 7).round().astype(int)]])
