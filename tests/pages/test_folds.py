"""Parts that are folded away: nothing of them is sent before they are opened, and what was changed in them stays."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import algorithms, folds
from tests.pages.conftest import APP


@pytest.fixture
def folded(monkeypatch, filled_store):
    """folded(page) -> the page as one finds it, with everything folded away."""

    def start(page: str) -> AppTest:
        monkeypatch.setenv("UNLEARN_STORE", str(filled_store))
        at = AppTest.from_file(APP, default_timeout=60).switch_page(f"pages/{page}.py").run()
        assert not at.exception
        return at

    return start


def inside(at: AppTest, label: str) -> int:
    """How much a fold holds."""
    (found,) = (e for e in at.expander if e.label == label)
    return len(found.children)


def test_a_part_that_nothing_is_called_by_is_refused():
    assert [folds.key(name) for name in folds.NAMES] == [f"open.{name}" for name in folds.NAMES]
    with pytest.raises(KeyError, match="proxy"):
        folds.key("proxy")
    with pytest.raises(KeyError, match="proxy"):
        folds.fold("proxy", "Cheaper scores")


@pytest.mark.parametrize(
    "page, name, label",
    [("explore", "proxies", "Cheaper scores"), ("explore", "stability", "How stable the scores are"),
     ("plan", "search", "Search for a better plan"), ("plan", "saved", "Save this plan, or load one"),
     ("runs", "studies", "1 finished study without a job on record")],
)  # fmt: skip
def test_nothing_is_sent_before_it_is_opened(page, name, label, folded):
    at = folded(page)
    labels = {e.label for e in at.expander}
    assert label in labels, labels
    assert inside(at, label) == 0
    at.session_state[folds.key(name)] = True
    at.run()
    assert inside(at, label) > 0 and not at.exception


@pytest.mark.parametrize("is_open", ["true", "false"])
def test_a_link_asks_for_what_was_to_run_beside_the_plan(is_open, folded, monkeypatch, filled_store, submitted):
    """Folded away or not, what the address asks for is on the label, and is what the button runs."""
    at = folded("plan")
    at.session_state[folds.key("beside")] = True
    at.run()
    place = next(c.key for c in at.checkbox if c.label.startswith("Shuffled parts")).removesuffix(".controls")
    at = AppTest.from_file(APP, default_timeout=60)
    told = {"controls": "false", "singles": [algorithms.label("fine-tune")], "seeds": "4"}
    for name, value in told.items():
        at.query_params[f"{place}.{name}"] = value
    at.query_params[folds.key("beside")] = is_open
    at.switch_page("pages/plan.py").run()
    label = next(e.label for e in at.expander if e.label.startswith("What runs beside it"))
    assert not at.exception and "1 single algorithm, retrained models, on 4 seeds" in label
    next(b for b in at.button if b.label == "Run plan + baselines").click().run()
    (asked,) = submitted
    assert asked.seeds == 4 and not asked.controls and len(asked.unlearners) == 1


def test_a_link_opens_what_was_open(monkeypatch, filled_store):
    monkeypatch.setenv("UNLEARN_STORE", str(filled_store))
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params[folds.key("proxies")] = "true"
    at.switch_page("pages/explore.py").run()
    assert not at.exception and inside(at, "Cheaper scores") > 0 and inside(at, "How stable the scores are") == 0
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params[folds.key("proxies")] = "<b>"
    at.switch_page("pages/explore.py").run()
    assert not at.exception and inside(at, "Cheaper scores") == 0


def test_what_was_changed_under_advanced_counts_after_it_is_closed(folded):
    at = folded("plan")
    before = {n.key for n in at.number_input}
    at.session_state[folds.key("high")] = True
    at.run()
    rate = next(n for n in at.number_input if n.key not in before and n.label == "Learning rate")
    rate.set_value(rate.value * 2).run()
    for opened in (False, True):
        at.session_state[folds.key("high")] = opened
        at.run()
        assert next(n for n in at.number_input if n.key == rate.key).value == rate.value


def test_what_runs_beside_a_plan_is_the_same_closed_and_open(folded, submitted):
    """Closed from the start, open, and closed after a change: the label says what the button would run."""
    at = folded("plan")

    def run() -> list[str]:
        next(b for b in at.button if b.label == "Run plan + baselines").click().run()
        at.switch_page("pages/plan.py").run()
        return [type(u).__name__ for u in submitted[-1].unlearners]

    def label() -> str:
        return next(e.label for e in at.expander if e.label.startswith("What runs beside it"))

    closed = run()
    assert f": {len(closed)} single algorithm" in label()
    at.session_state[folds.key("beside")] = True
    at.run()
    assert run() == closed
    assert submitted[0] == submitted[1]

    next(m for m in at.multiselect if (m.key or "").endswith(".singles")).set_value(["fine-tune"]).run()
    next(n for n in at.number_input if (n.key or "").endswith(".seeds")).set_value(1).run()
    for opened in (True, False):
        at.session_state[folds.key("beside")] = opened
        at.run()
        assert run() == ["FineTune"] and submitted[-1].seeds == 1
        assert "1 single algorithm, the controls, retrained models, on 1 seed" in label()


def test_an_open_part_stays_open_when_its_label_changes():
    """To Streamlit a fold with another label is another one, and would be shut."""

    def page():
        import streamlit as st

        from pages.shared import folds

        seeds = st.number_input("Seeds", value=3, key="seeds")
        with folds.fold("beside", f"On {seeds} seeds") as box:
            st.write("open" if box.open else "shut")

    at = AppTest.from_function(page).run()
    assert at.markdown[0].value == "shut"
    at.session_state[folds.key("beside")] = True
    at.run()
    for seeds in (4, 5):
        at.number_input(key="seeds").set_value(seeds).run()
        assert at.expander[0].label == f"On {seeds} seeds" and at.markdown[0].value == "open"
