"""The form of a new study says what it costs, where a study like it is finished."""

import pytest

from pages.shared import cost_words
from unlearn_core import job_forecast, jobs
from unlearn_core.engines import machine
from unlearn_core.experiment.bundle.contents import needed
from unlearn_core.experiment.first_cost import first_cost
from unlearn_core.experiment.forecast import forecast, like, size_of
from unlearn_core.job import Expected
from unlearn_core.store import Store
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain
from unlearn_core.unlearning.retain_only.fine_tune import FineTune


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def test_a_study_like_a_finished_one_has_a_cost_and_takes_it_along(open_page, filled_store, study, monkeypatch):
    sent = []
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    monkeypatch.setattr(jobs, "submit", lambda store, spec, expected=None: sent.append((spec, expected)))
    at = open_page("start", filled_store, own="yes")
    said = words(at)
    assert "this goes by the speed of Small example and may be off by a factor of 2" in said
    assert "models to train" in said and "About **" in said
    next(b for b in at.button if b.label == "Run this study").click().run()
    other, guess = sent.pop()
    assert other.bank != study.spec.bank and guess.fastest < guess.seconds < guess.slowest
    cost = first_cost(Store(filled_store), other)
    most = cost_words.megabytes(cost.memory * cost.memory_factor)
    assert guess.memory == cost.memory > 0 and f"about {cost_words.memory(cost)} (" in said and f" to {most})." in said
    at = open_page("start", filled_store, own="yes")
    spec = study.spec
    for name in ("train", "test"):
        at.number_input(key=f"new.data.digits.{name}").set_value(getattr(spec.training.data, name))
    at.number_input(key="new.training.digits.epochs").set_value(spec.training.epochs)
    at.number_input(key="new.study.models").set_value(spec.models)
    at.number_input(key="new.study.seeds").set_value(spec.seeds).run()
    next(b for b in at.button if b.label == "Run this study").click().run()
    ((asked, expected),) = sent
    assert asked.bank == spec.bank  # the same images, training and bank
    found = forecast(study, asked)
    start = job_forecast.START  # of one process, on a machine that does nothing else
    assert found.runs > 0 and expected.megabytes == found.megabytes
    assert (expected.seconds, expected.slowest) == (found.seconds + start, found.slowest + start)


def test_only_the_same_bank_is_alike(filled_store, study):
    store = Store(filled_store)
    assert like(store, study.spec.but(seeds=7)).key == study.key
    assert like(store, study.spec.but(models=20)) is None
    assert like(store, study.spec.but(training=study.spec.training.but(epochs=3))) is None


def test_where_nothing_is_finished_the_form_says_when_it_can_be_told(open_page, store):
    assert "What it costs can be told once any study is finished here" in words(
        open_page("start", store.root, own="yes")
    )


def test_a_first_study_goes_by_the_work_of_its_models(filled_store, study):
    store, spec = Store(filled_store), study.spec
    assert first_cost(store, spec).like == spec.name
    none = spec.but(unlearners=(Original(),), plans=(), tuning_seeds=0)  # which takes no time
    once = first_cost(store, none)
    assert (once.models, once.trainings, once.trials, once.runs) == (spec.models, 3 * spec.seeds, 0, spec.seeds)
    twice = first_cost(store, none.but(training=spec.training.but(epochs=2 * spec.training.epochs)))
    assert twice.seconds == pytest.approx(2 * once.seconds) and twice.factor == once.factor == 2.0
    wider = first_cost(store, none.but(training=spec.training.but(width=4 * study.spec.training.width or 512)))
    assert wider.seconds > 1.5 * once.seconds
    more = first_cost(store, none.but(models=2 * spec.models))
    assert once.seconds < more.seconds < 2 * once.seconds


def test_a_first_study_counts_no_less_than_is_done(filled_store, study):
    """Without the parts that a set falls into, a plan counts with all of its steps."""
    done = study.table[study.table["kind"] != "reference"]
    assert len(done) <= first_cost(Store(filled_store), study.spec).runs
    lighter = study.spec.but(controls=False)
    assert first_cost(Store(filled_store), lighter).runs == study.spec.seeds * (len(lighter.unlearners) + 1)


def test_models_of_another_kind_tell_less(filled_store, study):
    alone = study.spec.but(training=study.spec.training.but(precision="bfloat16"))  # one by one
    assert first_cost(Store(filled_store), alone).factor == 8.0


def test_runs_of_other_models_go_by_their_own_training(filled_store, study):
    """An unlearning epoch of a small net is many of its training epochs, which a stack shares; of a larger net it
    is little more than one. So the seconds of the one say nothing of the other.
    """
    store = Store(filled_store)
    none = study.spec.but(
        training=study.spec.training.but(model="resnet20", width=16), plans=(), tuning_seeds=0, models=0
    )
    left, tuned = none.but(unlearners=(Original(),)), none.but(unlearners=(FineTune(epochs=1),))
    trained = first_cost(store, left).seconds / (3 * none.seeds * none.training.epochs)
    run = (first_cost(store, tuned).seconds - first_cost(store, left).seconds) / none.seeds
    assert run == pytest.approx(1.5 * trained)
    again = first_cost(store, none.but(unlearners=(Retrain(),))).seconds - first_cost(store, left).seconds
    assert again == pytest.approx(trained * none.training.epochs * none.seeds)


def test_an_estimate_of_a_first_study_would_have_held(filled_store, study):
    """What the finished study took lies in the range that its own speed gives it."""
    spec = study.spec.but(controls=False, tuning_seeds=0)
    exact, rough = forecast(study, spec.but(seeds=9)), first_cost(Store(filled_store), spec.but(seeds=9, models=0))
    assert rough.seconds / 4 < exact.seconds < rough.seconds * 4


def test_what_a_first_study_takes_on_the_disk_is_what_it_then_keeps(filled_store, study):
    """It counts runs that turn out to be the same twice."""
    kept = {result.folder: size_of(result) for result in (*needed(study), study.result)}
    assert sum(kept.values()) <= first_cost(Store(filled_store), study.spec).megabytes <= 1.6 * sum(kept.values())


def test_a_range_is_said_where_its_ends_read_differently():
    assert cost_words.how_long(Expected(4.4, 4.38, 4.42)) == "About **4.4 s**"
    assert cost_words.how_long(Expected(4.4, 3.1, 6.2)) == "About **4.4 s** (3.1 s to 6.2 s)"
