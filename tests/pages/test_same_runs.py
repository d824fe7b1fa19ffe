"""A plan that runs one algorithm on all parts is its own control: the pages and the report say so."""

import json
import shutil

import pytest

from pages.shared import comparison_words
from unlearn_core import report
from unlearn_core.experiment import OpenStudy, fulfil
from unlearn_core.experiment import comparison as core
from unlearn_core.report import sections
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import RandomLabel


@pytest.fixture(scope="module")
def same(tmp_path_factory, filled_store, filled_study) -> OpenStudy:
    """The small study with a plan that runs one algorithm with the same settings on every part."""
    store, one = Store(shutil.copytree(filled_store, tmp_path_factory.mktemp("same") / "store")), RandomLabel(epochs=2)
    plan = Plan(low=one, medium=one, high=one)
    found = fulfil(store, filled_study.but(name="One for all", unlearners=(one,), plans=(plan,), seeds=2))
    return OpenStudy.open(store, found.key)


def test_the_very_same_runs_are_found_and_no_others(same, study):
    assert core.twins(same) == {"rum-f-random-label": "rum"} and core.twins(study) == {}
    means = same.means("group_tow")["mean"]
    assert means["rum"] == means["rum-f-random-label"] != means["rum-shuffle"]
    assert [v.second for v in core.plan_against_rivals(same, "rum")].count("rum-f-random-label") == 0
    picks = core.default_picks(same)
    assert "rum" in picks and "rum-f-random-label" not in picks


def test_runs_of_other_seeds_are_not_the_same(same):
    """The same results under swapped seeds are other runs."""
    mixed = OpenStudy.open(same.store, same.key)
    table = same.table.copy()
    twin = table["method"] == "rum-f-random-label"
    table.loc[twin, "result"] = table.loc[twin, "result"].to_numpy()[::-1]
    mixed.table = table
    assert core.twins(mixed) == {}


def test_compare_says_so_where_they_stand_beside_each_other(open_page, same, study, filled_store):
    at = open_page("compare", same.store.root, study=same.key, compare="ranking")
    said = [m.value for m in at.markdown if "very same runs" in m.value]
    assert len(said) == 1 and "one algorithm with the same settings on every part" in said[0]
    charts = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    names = [n for c in charts for n in c["layout"]["yaxis"].get("ticktext", []) if n.startswith("RUM^F Random-label")]
    assert len(names) >= 2 and all(name.startswith("RUM^F Random-label = RUM") for name in names)
    assert "just as close" not in comparison_words.closest(same) or "RUM" not in comparison_words.closest(same)
    assert not any("very same runs" in m.value for m in open_page("compare", filled_store, study=study.key).markdown)


def test_the_report_says_so(same):
    assert "RUM^F Random-label is the very same runs under another name" in report.write(same, "executive", "rum")
    assert "RUM is the very same runs" in report.write(same, "executive", "rum-f-random-label")
    assert "very same" not in report.write(same, "executive", "random-label")
    lines = [line["title"] for line in sections._others(same)["lines"]]
    assert "RUM^F Random-label (the same runs as RUM)" in lines and "RUM" in lines
