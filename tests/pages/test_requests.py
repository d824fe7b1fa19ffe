"""Requests in a row on the Audit page: who can be asked, what it will cost, and what came of it."""

import json
import math
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest

from pages.evidence import requests_in_a_row, requests_words
from pages.shared import cost_words
from unlearn_core import jobs
from unlearn_core.engines import machine
from unlearn_core.experiment import OpenStudy, Stream, fulfil, studies
from unlearn_core.experiment.forecast import size_of
from unlearn_core.experiment.stream import Finished, deal_requests, finished
from unlearn_core.experiment.stream_cost import stream_cost
from unlearn_core.job import Job
from unlearn_core.params import key
from unlearn_core.rows import unpack
from unlearn_core.store import Store
from unlearn_core.unlearning import ALGORITHMS

BUTTON = "Run these requests"


@pytest.fixture(scope="session")
def streamed(filled_store, tmp_path_factory):
    """The folder of a store in which random labelling has met two requests on two seeds."""
    root = shutil.copytree(filled_store, tmp_path_factory.mktemp("streamed") / "store")
    fulfil(Store(root), asked(OpenStudy.open(Store(root), studies(Store(root))[0].key)))
    return root


def asked(study, method="random-label", title="Random-label", seeds=2) -> Stream:
    """The stream of two requests as the page asks for it."""
    return Stream(
        name=f"{title}, 2 requests in a row",
        training=study.spec.training,
        requests=deal_requests(study.forget, 2, 0),
        unlearner=study.run_result(method, 0).spec().unlearner,
        seeds=seeds,
        models=study.spec.models,
    )


@pytest.fixture
def page(open_page, streamed):
    """page(**address) -> the view of a store with one finished stream."""

    def start(root=streamed, failing=False, **address):
        asked = {"evidence": "requests", "method": "random-label", "requests": "2", "streams": "2"}
        at = open_page("audit", root, **asked | address)
        assert failing or not at.error
        return at

    return start


@pytest.fixture
def done(streamed, study):
    return finished(Store(streamed), asked(study))


def words(at) -> str:
    return "\n".join(e.value for e in [*at.markdown, *at.caption, *at.info, *at.warning]).replace("\\", "")


def buttons(at) -> list[str]:
    return [b.label for b in at.button]


# -- before it is run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["rum", "rum-shuffle"])
def test_a_plan_is_told_why_it_cannot_be_asked(page, study, method):
    at = page(method=method)
    assert "cannot be asked one request after the other" in words(at)
    assert BUTTON not in buttons(at) and not at.number_input
    next(b for b in at.button if b.label.startswith("Ask ")).click().run()
    assert not at.exception
    chosen = at.query_params["method"]
    chosen = chosen[0] if isinstance(chosen, list) else chosen
    assert study.table.set_index("method").loc[chosen, "kind"].eq("single").all()
    assert at.number_input


def test_the_cost_stands_before_the_button_which_submits_the_stream(page, study, submitted):
    at = page(method="fine-tune", streams="4")
    assert "At most 17 models to train" in words(at)  # 2 x 4 seeds x 2 requests, and one more original
    assert "4 runs of 2 requests each" in words(at)
    next(b for b in at.button if b.label == BUTTON).click().run()
    assert submitted == [asked(study, "fine-tune", "Fine-tune", seeds=4)]


def test_parts_are_asked_in_their_order(page, study, submitted):
    at = page(deal="parts")
    assert len(at.number_input) == 1
    next(b for b in at.button if b.label == BUTTON).click().run()
    (stream,) = submitted
    n = len(study.labels)
    assert [unpack(text, n).tolist() for text in stream.requests] == [sorted(r.tolist()) for r in study.parts.values()]


def test_another_deal_is_another_stream(page, study, submitted):
    at = page(shuffle="1")
    next(b for b in at.button if b.label == BUTTON).click().run()
    (stream,) = submitted
    assert stream.requests == deal_requests(study.forget, 2, 1) != deal_requests(study.forget, 2, 0)


@pytest.mark.parametrize(
    ("algorithm", "said"), [("sisa", "models that vote"), ("unsir", "whole classes"), ("amnesiac", "needs")]
)
def test_an_algorithm_that_refuses_says_so_before_any_button(page, study, monkeypatch, algorithm, said):
    spec = SimpleNamespace(unlearner=ALGORITHMS[algorithm]())
    monkeypatch.setattr(OpenStudy, "run_result", lambda *_: SimpleNamespace(spec=lambda: spec))
    at = page()
    assert said in at.warning[0].value and len(at.warning) == 1
    assert BUTTON not in buttons(at)


@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_stream_under_way_leads_to_runs_and_a_failed_one_can_be_run_again(page, study, monkeypatch, state):
    stages, name = (("unlearn request 1", 3.0),), key(asked(study, "fine-tune", "Fine-tune"))
    job = Job(name, "Stream", "Fine-tune", state, 0.0, 3.0, stages, 1, 2, "The disk is full.", "")
    monkeypatch.setattr(jobs, "listing", lambda store: [job])
    monkeypatch.setattr(jobs, "get", lambda store, asked: job if asked == name else None)
    at = page(method="fine-tune", failing=state == "failed")
    assert (BUTTON in buttons(at)) == (state == "failed") == any("disk is full" in e.value for e in at.error)
    assert any(link.proto.label == "It is under way: see how far" for link in at.get("page_link")) == job.active


def said(study, wanted: Stream) -> str:
    return requests_in_a_row.in_words(stream_cost(study, "fine-tune", wanted), wanted)


def test_requests_take_their_cost_along(page, study, foreseen, monkeypatch):
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    at = page(method="fine-tune", streams="4")
    next(b for b in at.button if b.label == BUTTON).click().run()
    found = stream_cost(study, "fine-tune", asked(study, "fine-tune", "Fine-tune", seeds=4))
    assert foreseen == [cost_words.unsure(study.store, "Stream", found.seconds, found.megabytes)]
    assert foreseen[0].seconds > found.seconds and foreseen[0].megabytes == found.megabytes


def test_the_disk_that_requests_take_is_foretold(study, streamed):
    def held(root) -> int:
        files = (f for kind in ("Training", "Run") for f in (root / "results" / kind).glob("*/*"))
        return sum(f.stat().st_size for f in files if f.name != "manifest.json")

    new = (held(Store(streamed).root) - held(study.store.root)) / 1e6
    at_most = stream_cost(study, "random-label", asked(study)).megabytes
    stored = 4 * size_of(study.run_result("retrained", 0))  # all requests together are the study's own set
    assert at_most - stored == pytest.approx(new, rel=0.02)


def test_an_unknown_cost_is_called_so(study):
    study.table = study.table.assign(seconds=float("nan"))
    assert "is not known" in said(study, asked(study, "fine-tune"))


def test_more_seeds_and_requests_cost_more(study):
    few, many = (said(study, asked(study, seeds=s)) for s in (2, 9))
    assert "At most 8 models" in few and "2 runs" in few
    assert "At most 42 models" in many and "9 runs" in many


# -- a finished stream -------------------------------------------------------------------------------------------------


def test_a_finished_stream_is_found_and_answers_every_question(page, done, study):
    at = page()
    assert BUTTON not in buttons(at)
    first = at.markdown[0].value
    drifts = {metric: done.drift(metric) for metric in ("forget_accuracy", "attack_auc", "lira_auc")}
    for sentence in (requests_words.forgotten("Random-label", drifts), requests_words.onion(done)):
        assert sentence in first
    assert f"Of {len(study.labels) - len(study.forget):,} images nobody asked to forget" in first
    assert requests_words.seconds(done.summary["cost"]["unlearning"]) in first


@pytest.mark.parametrize("measure", requests_words.MEASURES)
def test_the_chart_shows_both_kinds_of_model_for_every_set(page, done, measure):
    at = page(measure=measure)
    (chart,) = [json.loads(c.proto.spec) for c in at.get("plotly_chart")]
    means = done.over_requests(measure).set_index(["set", "kind", "request"])["mean"]
    traces = [t for t in chart["data"] if t["name"] in ("unlearned", "retrained")]
    assert [t["name"] for t in traces] == ["retrained", "unlearned"] * 2
    assert [len(t["text"]) for t in traces] == [2, 2, 1, 1]  # the second set begins with the second request
    assert f"{means.loc[(1, 'unlearned', 2)]:.3f}" in traces[1]["text"][1].replace("−", "-")
    assert [t["line"]["dash"] for t in traces] == ["dash", "solid"] * 2
    assert chart["layout"]["title"]["text"] == requests_words.conclusion("Random-label", done.drift(measure), 2)


def test_the_tables_hold_drift_exposure_and_cost(page, done):
    tables = [d.value for d in page().dataframe]
    drift = next(t for t in tables if "Drift" in t)
    assert drift["Set"].tolist() == ["set 1"] and drift["After request"].tolist() == [2]
    onion = next(t for t in tables if "By retraining" in t)
    assert onion["After"].tolist() == ["request 1", "request 2", "all 2 together"]
    counts = [x for x in done.summary["onion"] if x["models"] == "beyond-retraining"]
    assert onion["More than by retraining"].tolist() == [x["exposed"] for x in counts]
    cost = next(t for t in tables if "gone" in t)
    assert cost["gone"].tolist() == [15, 30]


def test_what_could_not_be_measured_is_left_out(page, monkeypatch):
    whole = Finished.table.func
    half = lambda self: whole(self).assign(  # noqa: E731
        attack_auc=math.nan, lira_auc=lambda t: t["lira_auc"].where(t["set"] == 2)
    )
    monkeypatch.setattr(Finished, "table", property(half))
    at = page(measure="attack_auc")
    assert "Confidence attack" not in at.segmented_control[-1].options
    assert len(page(measure="lira_auc").get("plotly_chart")) == 1


def test_without_a_bank_there_is_no_likelihood_ratio(page, unbanked_store, tmp_path):
    root = shutil.copytree(unbanked_store, tmp_path / "store")
    study = OpenStudy.open(Store(root), studies(Store(root))[0].key)
    fulfil(Store(root), asked(study))
    at = page(root)
    assert "likelihood ratio" not in words(at) and "(confidence)" in words(at)
    assert len(at.get("plotly_chart")) == 1


# -- words from numbers ------------------------------------------------------------------------------------------------


def drift(*lines) -> pd.DataFrame:
    """Lines (set, drifts, back, resurges, remembered)."""
    columns = ("set", "drifts", "back", "resurges", "remembered")
    return pd.DataFrame([dict(zip(columns, line, strict=True)) for line in lines], dtype=object)


BACK = drift((1, True, 0.2, True, False), (1, True, 0.3, True, True), (2, False, 0.0, False, False))
OVER = drift((1, True, 0.2, True, False), (2, False, 0.0, False, False))
STAYS = drift((1, False, 0.0, False, False), (2, False, 0.0, False, False))
UNTOLD = drift((1, False, None, None, None), (2, False, None, None, None))
AWAY = drift((1, True, -0.2, False, False), (2, False, 0.0, False, False))


def test_sets_that_come_back_are_counted_by_measure():
    said = requests_words.forgotten("A*", {"forget_accuracy": BACK, "attack_auc": STAYS})
    assert "A\\*" in said and "**come back**" in said and "1 of 2 by accuracy." in said
    assert "More like" in said or "more like" in said
    assert "makes up for" in requests_words.forgotten("A", {"forget_accuracy": OVER})
    assert "no earlier set **comes back** by accuracy or confidence attack" in requests_words.forgotten(
        "A", {"forget_accuracy": STAYS, "attack_auc": STAYS, "lira_auc": UNTOLD}
    )
    assert "none can come back" in requests_words.forgotten("A", {"forget_accuracy": UNTOLD})


def test_the_title_says_what_one_measure_found():
    said = [requests_words.conclusion("A", table, 3) for table in (BACK, STAYS, UNTOLD, AWAY)]
    for found, text in zip(said, ("1 of 2 earlier", "no drift", "so none can", "1 of 2 earlier sets move further"),
                           strict=True):  # fmt: skip
        assert text in found


def test_a_line_in_words():
    says = [requests_words.says(line) for line in BACK.to_dict("records")]
    assert says == ["comes back", "comes back, remembered", "stays"]
    assert requests_words.says(UNTOLD.to_dict("records")[0]) == "cannot be told"
    assert requests_words.says(AWAY.to_dict("records")[0]) == "moves away"
    few = {"drifts": None, "back": None, "resurges": None, "remembered": None}
    assert requests_words.says(few) == "cannot be told"
