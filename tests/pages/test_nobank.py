"""The pages on a study without a bank of models: all of them open, and each says what is missing."""

import json
import shutil

import pytest

from pages.shared.embedding_map import blob
from unlearn_core.data import Data
from unlearn_core.experiment import OpenStudy, ProxyTable, Study, embedded_images, fulfil
from unlearn_core.forget import ByMemorization
from unlearn_core.params import key, plain
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

NONE = "no bank of models was trained"


@pytest.fixture
def unbanked(unbanked_store, unbanked_study) -> OpenStudy:
    return OpenStudy.open(Store(unbanked_store), key(unbanked_study))


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption, *at.info, *at.warning))


def charts(at) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


@pytest.mark.parametrize("name", ["start", "explore", "plan", "runs", "compare", "audit", "report", "guess"])
def test_every_page_opens(open_page, unbanked_store, name):
    at = open_page(name, unbanked_store)
    assert not at.error
    said = words(at)
    assert "memorization score" not in said and "nan" not in said.lower().split()
    if name in ("explore", "plan", "compare", "audit"):
        assert "bank" in said


def helps(at) -> str:
    return "\n".join(e.help for e in at.markdown if e.help)


def test_explore_ranks_by_confidence_and_says_so(open_page, unbanked_store, unbanked):
    at = open_page("explore", unbanked_store)
    assert unbanked.memorization.warning in [w.value for w in at.warning]
    assert ":small[Unsureness]" in words(at) and ":small[Memorization]" not in words(at)
    assert "more unsure than **" in words(at) and "low margin are the unsure ones" in helps(at)
    assert "standard error" not in words(at) and "The models of the bank get" not in words(at)
    assert "How stable the scores are" not in [e.label for e in at.expander]
    axes = [chart["layout"]["xaxis"]["title"].get("text", "") for chart in charts(at)]
    assert any(axis.startswith("1 minus the mean confidence") for axis in axes)
    data = blob.of_study(unbanked, unbanked.key, "pca")[1]
    head = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
    assert head["by"]["memorization"] == "Unsureness"
    assert head["ramps"]["memorization"][0] == "unsureness, which stands in for memorization"


def test_cheaper_scores_are_offered_without_a_ranking(open_page, unbanked_store, unbanked, submitted):
    at = open_page("explore", unbanked_store)
    assert "no exact scores" in words(at) and not [d for d in at.dataframe if "correlation" in d.value]
    next(b for b in at.button if b.label == "Compare all scores").click().run()
    assert submitted == [ProxyTable(study=unbanked.spec)]


def test_the_table_of_cheaper_scores_has_no_exact_line(open_page, unbanked_store, unbanked_study, tmp_path):
    root = shutil.copytree(unbanked_store, tmp_path / "compared")
    fulfil(Store(root), ProxyTable(study=unbanked_study))
    at = open_page("explore", root)
    shown = next(d.value for d in at.dataframe if "tow" in d.value)
    assert list(shown.columns) == ["title", "seconds", "tow"] and len(shown) == 6
    assert "Exact memorization" not in shown["title"].tolist() and "no exact scores" in words(at)
    assert not shown.map(lambda text: "nan" in text or "not measurable" in text).any().any()


def test_audit_leaves_likelihood_ratios_out(open_page, unbanked_store):
    at = open_page("audit", unbanked_store, attack="lira_online")
    choice = at.selectbox(key="address.attack")
    assert choice.value == "confidence" and choice.options == [
        "Confidence", "Entropy", "Modified entropy", "Correctness"
    ]  # fmt: skip
    assert words(at).count(NONE) == 2
    assert not [d for d in at.dataframe if "row" in d.value]


@pytest.mark.parametrize(
    "address", [{"compare": "ranking", "metric": "lira_auc"}, {"compare": "trade-off", "forgetting": "lira_auc"}]
)
def test_compare_says_why_there_is_no_likelihood_ratio(open_page, unbanked_store, address):
    at = open_page("compare", unbanked_store, **address)
    assert [i.value for i in at.info] == [f"The likelihood-ratio attack needs a bank of models, and {NONE}."]
    at = open_page("compare", unbanked_store, compare="numbers")
    assert set(at.dataframe[2].value["lira_auc"]) == {"not measurable"}
    assert NONE in "".join(c.value for c in at.caption)


def test_the_plan_page_shows_its_cost_and_no_search(open_page, unbanked_store, unbanked, submitted):
    at = open_page("plan", unbanked_store)
    assert "Search for a better plan" not in [e.label for e in at.expander] and "A search for a better plan" in words(
        at
    )
    by = next(s for s in at.selectbox if s.label == "Refine by")
    assert by.options[0] == "Unsureness in training (no bank was trained)"
    next(b for b in at.button if b.label == "Run this plan").click().run()
    assert submitted[0].models == 0 and submitted[0].bank == unbanked.spec.bank


def test_a_study_without_a_bank_can_be_set_up(open_page, store, submitted):
    at = open_page("start", store.root, own="yes")
    at.number_input(key="new.study.models").set_value(5).run()
    assert [e.value for e in at.error] == ["Models must be at least 10, or 0 for no bank, not 5."]
    at.number_input(key="new.study.models").set_value(0).run()
    assert not at.error
    next(b for b in at.button if b.label == "Run this study").click().run()
    assert submitted[0].models == 0


def test_a_bank_that_may_stop_early_can_be_asked_for(open_page, store, submitted):
    at = open_page("start", store.root, own="yes")
    at.number_input(key="new.study.stop_at").set_value(0.9).run()
    next(b for b in at.button if b.label == "Run this study").click().run()
    assert submitted[0].bank.stop_at == 0.9 and submitted[0].models == 64


def test_want_of_validation_images_is_told(open_page, store, monkeypatch):
    """Held-out retraining is neither offered nor shown where no images are held out, and the page says so."""
    monkeypatch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
    data = Data(train=150, test=60, validation=0.0)
    study = Study(
        training=Training(data=data, width=8, epochs=3), models=0, forget=ByMemorization(size=9), tuning_seeds=0,
        unlearners=(FineTune(epochs=1),), plans=(), seeds=1,
    )  # fmt: skip
    fulfil(store, study)
    said = words(open_page("explore", store.root))
    assert "computes curvature of the loss:" in said and "retraining on validation" not in said
    fulfil(store, ProxyTable(study=study))
    at = open_page("explore", store.root)
    assert "Retraining on validation images is left out: it needs validation images, and there are none." in words(at)
    assert len(next(d.value for d in at.dataframe if "tow" in d.value)) == 5


def test_a_stage_that_was_passed_over_is_not_pending(open_page, store):
    study = Study(models=0, name="Without a bank")
    folder = store.root / "jobs" / key(study)
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"spec": plain(study), "submitted": 1.0}))
    stages = [["data", 0.2], ["original models", 3.0], ["map", 1.0]]
    (folder / "progress.json").write_text(json.dumps({"begun": True, "written": 61.0, "stages": stages}))
    with store.lock(f"job-{key(study)}").acquire():
        said = words(open_page("runs", store.root))
    assert "pending: forget set, retrained models, tuning, unlearning, evaluation" in said and "bank," not in said
