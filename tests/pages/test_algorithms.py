"""Choosing among all algorithms: the list, what fits, an algorithm inside another, and training with privacy."""

from functools import partial

import pytest

from pages.shared import algorithms, equal_retention
from unlearn_core.data import Data
from unlearn_core.experiment import EqualRetention, Study, fulfil
from unlearn_core.experiment import equal_retention as equal
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS


@pytest.fixture
def start(open_page, store):
    return partial(open_page, "start", store.root, own="yes")


def words(at) -> str:
    return "\n".join(e.value for e in [*at.markdown, *at.caption])


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def widget(at, ends: str):
    kinds = (*at.selectbox, *at.number_input, *at.multiselect, *at.checkbox, *at.slider)
    return next(w for w in kinds if w.key and w.key.endswith(ends))


def test_every_algorithm_has_a_name_of_its_own_in_the_list():
    labels = [algorithms.label(name) for name in ALGORITHMS]
    assert len(set(labels)) == len(labels)
    assert set(algorithms.SINGLE) == set(ALGORITHMS) - {"original", "retrain"}


def test_algorithms_are_chosen_for_a_study_of_ones_own(start, submitted):
    at = start()
    at.multiselect(key="new.algorithms").set_value(["ssd", "munba"]).run()
    button(at, "Run this study").click().run()
    assert not at.exception
    (asked,) = submitted
    assert asked.unlearners == (ALGORITHMS["ssd"](), ALGORITHMS["munba"]())


def test_an_algorithm_that_does_not_fit_the_set_is_refused_before_the_run(start):
    at = start()
    at.multiselect(key="new.algorithms").set_value(["unsir"]).run()
    assert any("UNSIR needs a forget set of whole classes" in e.value for e in at.error)
    assert button(at, "Run this study").disabled
    at.selectbox(key="new.rule").set_value("class").run()
    at.text_input(key="new.forget.class.label").set_value("3").run()
    assert not at.error and not button(at, "Run this study").disabled


def test_training_with_privacy_says_what_it_promises(start, submitted):
    pytest.importorskip("opacus")
    at = start()
    assert "differentially private" not in words(at)
    at.number_input(key="new.privacy.digits.noise").set_value(1.0).run()
    assert "Training so is differentially private: for any one image ε = " in words(at)
    button(at, "Run this study").click().run()
    assert submitted[0].training.noise == 1.0


def test_the_glossary_stands_on_the_start_page(start):
    assert "**Unlearnable examples.**" in words(start())


def test_a_study_with_privacy_says_so_on_audit(open_page, store, monkeypatch):
    pytest.importorskip("opacus")
    from unlearn_core.experiment import embedded_images

    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    small = Study(
        name="Private",
        training=Training(data=Data(train=300, test=150), epochs=4, noise=1.0),
        models=0,
        unlearners=(ALGORITHMS["fine-tune"](epochs=1),),
        plans=(),
        seeds=2,
        tuning_seeds=0,
    )
    found = fulfil(store, small).json("summary")["privacy"]
    assert found["forget_epsilon"] == pytest.approx(120 * found["epsilon"])
    said = words(open_page("audit", store.root))
    assert f"for any one image ε = {found['epsilon']:.2f}" in said and "the promise is empty" in said


def test_a_wrapper_shows_the_algorithm_inside(open_page, filled_store, submitted):
    at = open_page("plan", filled_store)
    widget(at, ".high").select("uwc").run()
    widget(at, ".uwc.inner").select("scrub").run()
    widget(at, ".inner.scrub.alpha").set_value(0.25).run()
    assert not at.exception and not at.error
    assert "Reconstruction: the paper is about language models" in words(at).replace("\\", "")
    widget(at, ".controls").uncheck().run()
    button(at, "Run plan + baselines").click().run()
    plan, _ = submitted[0].plans  # the study's own ran before and stands beside it
    assert plan.high == ALGORITHMS["uwc"](inner=ALGORITHMS["scrub"](alpha=0.25))


def test_an_algorithm_that_cannot_be_asked_is_not_offered_and_says_why(open_page, filled_store):
    at = open_page("plan", filled_store)
    assert not [option for option in widget(at, ".high").options if "LRA-NPP" in option]
    assert "LRA-NPP needs a forget set of whole classes" in words(at).replace("\\", "")


def test_a_method_that_is_not_at_the_level_is_not_called_the_closest():
    assert "99%" in equal_retention._title("99%", ["SSD", "UNSIR"]) and "SSD is closest" in equal_retention._title(
        "99%", ["SSD"]
    )
    assert equal_retention._title("99%", []).startswith("No method can be brought to 99%")


def test_equal_retention_is_offered_and_then_shown(open_page, filled_store, filled_study, submitted, tmp_path):
    import shutil

    at = open_page("compare", filled_store, compare="trade-off")
    button(at, "Compare at equal retention").click().run()
    assert submitted == [EqualRetention(study=filled_study)]
    root = shutil.copytree(filled_store, tmp_path / "filled")
    fulfil(Store(root), EqualRetention(study=filled_study))
    at = open_page("compare", root, compare="trade-off")
    assert "Mixing brings back part of what was forgotten" in words(at)
    for share in ("0.9", "1.0"):
        at = open_page("compare", root, compare="trade-off", retention=share)
        assert not at.exception
    table = equal.means(fulfil(Store(root), EqualRetention(study=filled_study)).table(), "group_tow")
    there = table[(table["retention"] == 1.0) & (table["mixes"] == 1)]
    best = there.sort_values("mean", ascending=False)["title"].iloc[0]
    charts = [chart.proto.spec for chart in at.get("plotly_chart")]
    assert any("At 100% of the original" in spec and f"accuracy, {best} is closest" in spec for spec in charts)
