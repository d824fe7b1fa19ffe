"""Planted truths: an audit finds what is there, does not find what is not, and is not fooled by models that hide."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unlearn_core.data import Data
from unlearn_core.experiment import fulfil
from unlearn_core.experiment.tiers import Audit, Subject, distribution, from_models, instant, inversion
from unlearn_core.experiment.tiers.instant import Instant, Relearned
from unlearn_core.experiment.tiers.overview import verdict
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.params import spec
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain

pytestmark = pytest.mark.planted
TRAINING = Training(data=Data(name="digits-noisy", train=700, test=300), epochs=60)
SHADOWS, MODELS, SEEDS = 18, 12, 3


@spec
class Elsewhere(Retrain):
    """Retrained, but with another seed than the retrained model that it is compared with."""

    title = "Retrained elsewhere"

    def run(self, model, original, request, cost):
        return super().run(model, original, replace(request, seed=request.seed + 700_000), cost)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("planted") / "store")


def once(function):
    """A pure function that answers at once what it was asked before; every answer is a copy of its own."""
    known = {}

    def ask(*args, **named):
        asked = pickle.dumps((args, {name: value for name, value in named.items() if name != "tell"}))
        if asked not in known:
            known[asked] = function(*args, **named)
        return copy.deepcopy(known[asked])

    return ask


@pytest.fixture(scope="module", autouse=True)
def references_are_asked_once():
    """All audits here stand beside the same original and retrained models, and what those say is most of the time.

    An audited model is marked, so that it is asked itself even where it has the weights of another.
    """
    load = instant.inner_of

    def inner_of(store, subject, *args):
        found = load(store, subject, *args)
        found["unlearned"].model.audited = subject
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instant, "inner_of", inner_of)
        patch.setattr(instant, "perturb", once(instant.perturb))
        for name in ("accuracy_curves", "loss_curves"):
            patch.setattr(from_models.relearn, name, once(getattr(from_models.relearn, name)))
        patch.setattr(from_models.linear_probe, "linear_probe", once(from_models.linear_probe.linear_probe))
        patch.setattr(inversion.probe, "reconstruct", once(inversion.probe.reconstruct))
        patch.setattr(distribution, "_compared", once(distribution._compared))
        yield


@pytest.fixture(scope="module")
def wrong_labels(kept):
    """Forty images with wrong labels, which any model has to memorize, and forty others."""
    images = dataset(kept, TRAINING.data)
    wrong, right = (np.flatnonzero(images.mislabelled == is_wrong)[:40] for is_wrong in (True, False))
    return {"wrong": wrong, "right": right}


@pytest.fixture(scope="module")
def audited(kept, wrong_labels):
    """audited(unlearner, tier) -> the overview of an audit."""

    def make(unlearner, tier=3):
        rows = np.sort(np.concatenate(list(wrong_labels.values())))
        subject = Subject.of(TRAINING, rows, wrong_labels, unlearner)
        wanted = Audit(subject=subject, tier=tier, seeds=SEEDS, shadows=SHADOWS, deletions=3, models=MODELS)
        return fulfil(kept, wanted).table().set_index(["metric", "on", "by"]).sort_index()

    return make


def test_a_model_that_never_saw_the_images_reads_like_retraining_in_every_metric(audited):
    table = audited(Elsewhere())
    # How fast it is, and what is read from deletions of single images, is no property of the model.
    judged = table[table["side"].notna() & ~table.index.get_level_values("metric").isin(["speedup"])]
    off = judged[judged["side"] != 0]
    assert len(judged) > 80
    assert len(off) <= 0.1 * len(judged), off[["unlearned", "retrained", "gap", "floor"]]
    for name in ("group_tow", "tow", "klom", "forgetting_quality", "told_apart", "linear_probe_accuracy"):
        found = judged[judged.index.get_level_values("metric") == name]
        assert found["says"].isin(["not told from retraining", "better than retraining"]).all(), found


def test_the_original_is_found_leaking_with_power(audited):
    table = audited(Original())
    for metric, on, by in (
        ("forget_accuracy", "wrong", ""),
        ("auc", "wrong", "confidence"),
        ("rmia_auc", "forget", ""),
        ("linear_probe_accuracy", "forget", ""),
        ("margin_shift", "wrong", ""),
    ):
        line = table.loc[(metric, on, by)]
        assert line["says"] == "remembers more than retraining", (metric, line["says"])
        assert line["has_power"] is True and line["unlearned"] == pytest.approx(line["original"])
    for metric in ("u_lira_efficacy_auc", "u_lira_privacy_auc"):
        line = table.loc[(metric, "forget", "per example")]
        assert line["side"] == 1 and line["unlearned"] > 0.8 and line["has_power"] is True
    for metric in ("told_apart", "klom", "forgetting_quality"):
        assert table.loc[(metric, "forget", "")]["says"] == "worse than retraining"
    # So few models prove nothing of anyone, and the line says so.
    certified = table.loc[("certified_quality", "forget", "")]
    assert certified["has_power"] is False and verdict(certified) == "not told from retraining, nor is the original"


def test_doing_nothing_and_the_original_are_the_same_line_by_line(audited):
    table = audited(Original(), tier=1)
    both = table[table["unlearned"].notna() & table["original"].notna()]
    np.testing.assert_allclose(both["unlearned"], both["original"], rtol=1e-9)


def test_ascent_to_chance_is_flagged_although_the_attack_finds_nothing(audited):
    table = audited(ALGORITHMS["neggrad"](epochs=10, lr=0.1), tier=2)
    # What a report with a single attack would show: as good as a guess.
    assert table.loc[("auc", "forget", "confidence")]["unlearned"] == pytest.approx(0.5, abs=0.1)
    assert table.loc[("tpr_at_10_fpr", "forget", "confidence")]["unlearned"] == pytest.approx(0.1, abs=0.06)
    # What the audit says.
    assert table.loc[("forget_accuracy", "right", "")]["says"] == "over-unlearned"
    assert table.loc[("forgetting_rate", "right", "")]["says"] == "over-unlearned"
    assert table.loc[("retain_accuracy", "retain", "")]["says"] == "worse than retraining"
    single = table.loc[("u_lira_efficacy_auc", "forget", "per example")]
    assert single["side"] == 1 and single["unlearned"] > 0.8


# -- only the last layer forgot ----------------------------------------------------------------------------------------


def test_an_edit_of_the_last_layer_alone_is_caught_by_its_features_and_by_relearning(kept):
    training = Training(data=Data(train=700, test=300), epochs=30)
    rows = np.flatnonzero(dataset(kept, training.data).train.y.numpy() == 3)
    subject = Subject.of(training, rows, {}, ALGORITHMS["lra-npp"]())
    values = [fulfil(kept, Instant(subject=subject, seed=seed)).table() for seed in range(3)]
    values += [fulfil(kept, Relearned(subject=subject, seed=seed)).table() for seed in range(3)]

    table = pd.concat(values)

    def of(metric, kind, on="forget"):
        return table.loc[(table["metric"] == metric) & (table["kind"] == kind) & (table["on"] == on), "value"].mean()

    # Its outputs look forgotten ...
    assert of("forget_accuracy", "unlearned") <= 0.1 and of("forget_accuracy", "retrained") == 0
    assert of("retain_accuracy", "unlearned", "retain") > 0.95
    # ... and the features are those of the original, further from a retrained model than another retrained one is.
    assert of("linear_cka", "unlearned") == pytest.approx(of("linear_cka", "original"))
    assert of("linear_cka", "unlearned") < of("linear_cka", "retrained")
    assert of("linear_probe_accuracy", "unlearned") > of("linear_probe_accuracy", "retrained") + 0.05
    assert of("linear_probe_accuracy", "unlearned") == pytest.approx(of("linear_probe_accuracy", "original"), abs=0.01)
    assert of("anamnesis_index", "unlearned") < 0.7 < of("anamnesis_index", "retrained")
    assert of("relearn_time", "unlearned") < 0.5 * of("relearn_time", "retrained")
