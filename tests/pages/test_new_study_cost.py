"""The form of a new study says what it costs, where a study like it is finished."""

from unlearn_core import jobs
from unlearn_core.engines import machine
from unlearn_core.experiment.forecast import forecast, like
from unlearn_core.store import Store


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def test_a_study_like_a_finished_one_has_a_cost_and_takes_it_along(open_page, filled_store, study, monkeypatch):
    sent = []
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    monkeypatch.setattr(jobs, "submit", lambda store, spec, expected=None: sent.append((spec, expected)))
    at = open_page("start", filled_store, own="yes")
    assert "can be told once a study with the same images" in words(at)
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
    start = jobs.START  # of one process, on a machine that does nothing else
    assert found.runs > 0 and expected.megabytes == found.megabytes
    assert (expected.seconds, expected.slowest) == (found.seconds + start, found.slowest + start)


def test_only_the_same_bank_is_alike(filled_store, study):
    store = Store(filled_store)
    assert like(store, study.spec.but(seeds=7)).key == study.key
    assert like(store, study.spec.but(models=20)) is None
    assert like(store, study.spec.but(training=study.spec.training.but(epochs=3))) is None
