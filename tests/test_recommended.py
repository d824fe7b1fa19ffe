"""Recommended sets: what is recommended is what was measured, and planted wrong labels are found."""

from types import SimpleNamespace

import numpy as np
import pytest

from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment import OpenStudy, recommended, studies
from unlearn_core.experiment.bank import bank_columns
from unlearn_core.forget import distance_groups
from unlearn_core.store import Store
from unlearn_core.words import among_random


def opened(root) -> OpenStudy:
    store = Store(root)
    return OpenStudy.open(store, studies(store)[0].key)


def test_doubt_is_what_models_say_that_never_saw_the_image(filled_store):
    study = opened(filled_store)
    rows = np.arange(50)
    member, phi = bank_columns(study.store, study.spec.bank, rows)
    outside = np.where(member, np.nan, phi)
    # A margin of log-odds is positive where the label has more than half, so the model is right there for certain.
    surely_right = np.nanmean(np.where(np.isnan(outside), np.nan, outside > 0), axis=0)
    doubted = recommended.doubt(study)
    assert doubted.shape == study.labels.shape and (doubted >= 0).all() and (doubted <= 1).all()
    assert (1 - doubted[:50] >= surely_right - 1e-9).all()


def test_the_sets_are_what_their_words_say(filled_store):
    study = opened(filled_store)
    found, left_out = recommended.recommended(study)
    by_title = {one.title: one for one in found}
    assert len(found) + len(left_out) == 3 and all(why.endswith(".") for why in left_out)
    scores, size = study.memorization.scores, len(study.forget)
    top = by_title["Most memorized"]
    assert len(top.rows) == size and scores[top.rows].min() >= np.sort(scores)[-size]
    assert (np.diff(scores[top.first]) <= 1e-9).all() and f"{scores[top.rows].mean():.2f}" in top.evidence
    for one in by_title.values():
        assert sorted(one.first) == one.rows.tolist() and 0 < len(one.rows) < len(study.labels)


def test_equal_scores_at_the_end_of_the_most_memorized_are_told(filled_store):
    study = opened(filled_store)
    size = len(study.forget)
    equal, apart = np.repeat([0.9, 0.4, 0.0], [size - 2, 5, len(study.labels) - size - 3]), np.arange(len(study.labels))
    object.__setattr__(study.memorization, "scores", equal)
    assert "5 images have the very same lowest score: 2 are in it, by row number." in (
        recommended._memorized(study).evidence
    )
    object.__setattr__(study.memorization, "scores", apart / len(apart))
    assert "very same" not in recommended._memorized(study).evidence


def test_a_group_is_called_entangled_only_where_it_is_extreme(filled_store, monkeypatch):
    study = opened(filled_store)
    groups, measured = distance_groups(study.sums, len(study.forget))
    rows = np.array(sorted(groups[measured.argmax()]))
    exceeds = recommended.quick_facts(study, rows).entanglement.percentile
    for asked in (exceeds, exceeds + 0.005):
        monkeypatch.setattr(recommended, "STANDS_OUT", asked)
        said = recommended._entangled(study)
        if asked == exceeds:
            assert said.rows.tolist() == rows.tolist() and among_random(exceeds, "more entangled") in said.evidence
            assert f"{study.about(rows).entanglement.share_of_random:.2g} times" in said.evidence
            assert "harm" not in said.evidence  # no measured slope says so
        else:
            assert f"is {among_random(exceeds, 'more entangled')} of its size, and" in said


@pytest.fixture
def planted(monkeypatch):
    """A study of 60 images, of which 5, 6 and 7 are contradicted by models that never saw them, and 8 is only hard."""
    doubted, scores = np.full(60, 0.02), np.full(60, 0.01)
    doubted[[5, 6, 7, 8]], scores[[5, 6, 7]] = [0.8, 0.9, 0.8, 0.9], 0.8
    wrong = np.zeros(60, bool)
    wrong[[5, 6, 20]] = True
    monkeypatch.setattr(recommended, "doubt", lambda study: doubted)
    return SimpleNamespace(
        labels=np.zeros(60, int),
        memorization=SimpleNamespace(scores=scores),
        data=SimpleNamespace(mislabelled=wrong),
        sums=EmbeddingSums(np.random.default_rng(0).normal(size=(60, 3))),
    )


def test_wrong_labels_are_found_and_hard_images_are_not(planted):
    found = recommended._mislabelled(planted)
    assert found.rows.tolist() == [5, 6, 7] and found.first.tolist() == [6, 5, 7]
    assert "2 of 3 are known to be wrong, of 3 wrong ones" in found.evidence and "83%" in found.evidence
    planted.data.mislabelled = None
    assert "not known here" in recommended._mislabelled(planted).evidence


def test_where_nothing_is_contradicted_nothing_is_recommended(planted, monkeypatch):
    monkeypatch.setattr(recommended, "doubt", lambda study: np.zeros(60))
    assert "no label is doubted" in recommended._mislabelled(planted)
    monkeypatch.setattr(recommended, "doubt", lambda study: np.ones(60))
    planted.memorization.scores[:] = 1
    assert "no label stands out" in recommended._mislabelled(planted)


def test_without_a_bank_labels_are_not_doubted(unbanked_store):
    study = opened(unbanked_store)
    assert recommended.doubt(study) is None
    found, left_out = recommended.recommended(study)
    assert found[0].title == "Learned last" and "with a bank of models" in left_out[0]
