"""The Compare page: what it says of the methods, and what its choices change."""

import io
import json

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import downloads, numbers, state
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import comparison as core


@pytest.fixture
def compare(open_page):
    """compare(store_folder, **address) -> the Compare page, on which nothing is wrong."""

    def start(root, **address) -> AppTest:
        at = open_page("compare", root, **address)
        assert not at.error
        return at

    return start


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def titles(at) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in at.get("plotly_chart")]


def test_without_a_study_there_is_one_button(compare, tmp_path):
    at = compare(tmp_path / "empty")
    assert [b.label for b in at.button] == ["Run the example"]


def test_the_first_sentence_names_the_closest_method_and_the_ceiling(compare, filled_store, study):
    first = compare(filled_store).markdown[0].value
    best, ceiling = core.ranked(study, "group_tow").iloc[0], study.means("group_tow").loc[core.CEILING]
    assert numbers.spread(best["mean"], best["half_width"]) in first
    assert numbers.spread(ceiling["mean"], ceiling["half_width"]) in first
    assert ("not distinguishable" in first) == (best["distinguishable"] is False)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0.1, 0.01), "is closer on this forget set"),
        ((-0.1, 0.01), "does not show here"),
        ((0.01, 0.1), "not distinguishable with 3 seeds"),
        ((0.1, None), "decides nothing"),
    ],
)
def test_the_plan_against_the_best_single_algorithm_in_words(compare, filled_store, study, monkeypatch, values, says):
    line = {"plan": "rum", "best_single": "fine-tune", "mean": values[0], "half_width": values[1], "n": 3}
    study.summary["plans_against_best_single"] = [line]
    monkeypatch.setattr(state, "study", lambda: study)
    assert says in compare(filled_store).markdown[1].value


def test_another_metric_changes_the_first_chart_and_the_address(compare, filled_store, study):
    at = compare(filled_store)
    before = titles(at)
    at.selectbox(key="address.metric").select("retain_accuracy").run()
    assert not at.exception
    best = core.ranked(study, "retain_accuracy").iloc[0]["title"]
    assert titles(at)[0] == f"{best} has the highest {METRICS['retain_accuracy'].label}"
    assert titles(at)[1:] == before[1:]
    assert at.query_params["metric"] == "retain_accuracy"


def test_a_link_restores_its_choices_and_nonsense_in_it_is_ignored(compare, filled_store):
    at = compare(filled_store, metric="tow", steps="rum-shuffle", forgetting="nonsense")
    assert at.selectbox(key="address.metric").value == "tow"
    assert at.selectbox(key="address.steps").value == "rum-shuffle"
    assert "RUM, shuffled ends" in titles(at)[3]


def test_a_metric_that_cannot_be_measured_says_what_is_missing(compare, filled_store):
    at = compare(filled_store, metric="tpr_at_1_fpr")
    assert "not measurable" in at.info[0].value
    assert "needs at least 1000" in at.info[0].value


def test_a_table_marks_what_cannot_be_told_from_the_ceiling(compare, filled_store, study):
    shown = compare(filled_store).dataframe[0].value.set_index("title")
    means = study.means("group_tow").set_index("title")
    run = means[means["kind"] != "reference"]
    marked = {title for title, text in shown["group_tow"].items() if text.endswith("≈")}
    assert marked == set(run.index[run["distinguishable"].eq(False)])
    assert numbers.spread(*means.loc["RUM", ["mean", "half_width"]]) in shown.loc["RUM", "group_tow"]


def test_diverged_runs_are_named(compare, filled_store, study, monkeypatch):
    study.table.loc[(study.table["method"] == "neggrad-plus") & (study.table["seed"] == 1), "diverged_at"] = 5
    monkeypatch.setattr(state, "study", lambda: study)
    assert compare(filled_store).warning[0].value.startswith("NegGrad+ diverged in 1 of 3 runs")


@pytest.mark.parametrize("kinds", [["reference", "plan"], ["reference", "single"]])
def test_a_study_of_one_kind_of_method_can_be_shown(compare, filled_store, study, monkeypatch, kinds):
    study.table = study.table[study.table["kind"].isin(kinds)]
    study.summary["plans_against_best_single"] = []
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert ("What the plan brings" in [s.value for s in at.subheader]) == ("plan" in kinds)


def test_one_seed_is_shown_without_intervals(compare, filled_store, study, monkeypatch):
    study.table = study.table[study.table["seed"] == 0]
    study.spec = study.spec.but(seeds=1)
    study.summary["plans_against_best_single"][0] |= {"half_width": None, "n": 1}
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert "over 1 seed, beside" in at.markdown[0].value
    assert "decides nothing" in at.markdown[1].value


def test_names_from_data_do_not_become_markup(compare, filled_store, study, monkeypatch):
    study.table.loc[study.table["method"] == "rum", "title"] = "<b>R</b> *x*"
    monkeypatch.setattr(state, "study", lambda: study)
    at = compare(filled_store)
    assert "\\*x\\*" in at.markdown[1].value
    assert any("&lt;b&gt;" in title for title in titles(at))
    assert not any("<b>" in title for title in titles(at))


def test_a_download_is_safe_in_a_spreadsheet():
    table = pd.DataFrame({"title": ["=1+1", "@x", "RUM"], "value": [-1.5, 2.0, 3.0]})
    again = pd.read_csv(io.BytesIO(downloads.csv(table)))
    assert again["title"].tolist() == ["'=1+1", "'@x", "RUM"]
    assert again["value"].tolist() == [-1.5, 2.0, 3.0]
    assert pd.read_parquet(io.BytesIO(downloads.parquet(table))).equals(table)


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ((0.90361, 0.0234), "0.904 ± 0.023"),
        ((-0.0586, 0.038, True), "−0.059 ± 0.038"),
        ((0.0586, None, True), "+0.059"),
        ((-0.00001, None), "0.000"),
        ((None, None), "not measurable"),
    ],
)
def test_numbers_carry_their_interval(args, shown):
    assert numbers.spread(*args) == shown
