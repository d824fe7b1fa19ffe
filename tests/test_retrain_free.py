"""What is said without retrained models: none is asked, and what it says is known where the answer is."""

from types import SimpleNamespace

import numpy as np
import pytest

from unlearn_core.attacks import auc
from unlearn_core.experiment import OpenStudy, audit, bank, retrain_free, studies
from unlearn_core.experiment.comparison import CEILING, RETRAINED
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def test_no_retrained_model_is_asked(study, monkeypatch):
    real, asked = study.logits, []
    monkeypatch.setattr(study, "logits", lambda method, seed: asked.append(method) or real(method, seed))
    found = retrain_free.read(study, "rum")
    assert set(asked) == {"rum", "original"} and not {RETRAINED, CEILING} & set(asked)
    assert found.audited.success == audit.attack(study, "rum", "confidence").success


def test_what_is_expected_is_the_attack_on_models_that_never_saw_the_images(study):
    found = retrain_free.read(study, "fine-tune", "high")
    rows = study.parts["high"]
    member, phi = bank.bank_columns(study.store, study.spec.bank, rows)
    test = bank.bank_test_margins(study.store, study.spec.bank)
    assert test.shape == (10, len(study.target.test_labels)) and len(member) == 10
    by_hand = [auc(phi[m][~member[m]], test[m][study.target.unseen]) for m in range(10) if (~member[m]).sum() >= 2]
    assert found.never == pytest.approx(by_hand) and found.expected.value == pytest.approx(np.mean(by_hand))
    assert 0 <= found.expected.low <= min(by_hand) and max(by_hand) <= found.expected.high <= 1


def planted(study, monkeypatch, expected: tuple, original: tuple, audited: tuple) -> int | None:
    """The side of a method under these intervals."""
    found = retrain_free.read(study, "rum")
    for name, ends in (("original", original), ("audited", audited)):
        vars(getattr(found, name))["success"] = retrain_free.Measured(sum(ends) / 2, *ends)
    return retrain_free.Reading(
        "all",
        found.audited,
        found.original,
        found.never,
        expected and retrain_free.Measured(sum(expected) / 2, *expected),
    ).side


@pytest.mark.parametrize(
    ("expected", "original", "audited", "side"),
    [
        ((0.3, 0.5), (0.8, 0.9), (0.6, 0.7), 1),
        ((0.3, 0.5), (0.8, 0.9), (0.1, 0.2), -1),
        ((0.3, 0.5), (0.8, 0.9), (0.4, 0.6), 0),
        ((0.3, 0.5), (0.45, 0.9), (0.4, 0.6), None),  # even the original would pass
        ((0.3, 0.5), (0.45, 0.9), (0.6, 0.7), 1),  # a finding needs no power
        (None, (0.8, 0.9), (0.4, 0.6), None),
    ],
)
def test_a_side_is_taken_only_where_the_original_would_not_pass(study, monkeypatch, expected, original, audited, side):
    audit._attacked.cache_clear()
    assert planted(study, monkeypatch, expected, original, audited) == side
    audit._attacked.cache_clear()


def test_the_guess_is_the_banks_or_that_of_test_images():
    expected = retrain_free.Measured(0.3, 0.2, 0.4)
    for by, guess in ((expected, 0.3), (None, 0.5)):
        found = retrain_free.Reading("all", None, None, (), by)
        assert found.guess == guess and found.off_by(0.25) == pytest.approx(guess - 0.25)


def test_models_of_the_bank_are_no_reference_for_a_whole_class(study, monkeypatch):
    """They knew the class, and a model retrained without it does not."""
    assert retrain_free.read(study, "rum").expected is not None
    monkeypatch.setattr(type(study), "about", lambda *_: SimpleNamespace(lost=("3",)))
    found = retrain_free.read(study, "rum")
    assert found.expected is None and not len(found.never) and found.side is None


def test_without_a_bank_nothing_is_expected_and_nothing_judged(unbanked_store, unbanked_study):
    store = Store(unbanked_store)
    study = OpenStudy.open(store, studies(store)[0].key)
    found = retrain_free.read(study, "rum")
    assert found.expected is None and found.side is None and not len(found.never) and found.audited.success.value
    with pytest.raises(BadValue):
        retrain_free.read(study, "rum", "nonsense")
