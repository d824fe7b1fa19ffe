"""Kept images on the Audit page: what it says of classes, neighbours, leakage and the images hit worst."""

import json
import shutil
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest

from pages.evidence import collateral_damage, kept_images
from pages.shared import class_gaps
from unlearn_core.experiment import OpenStudy, fulfil, studies
from unlearn_core.experiment.tiers import Audit, from_models
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.store import Store


@pytest.fixture(scope="session")
def audited(filled_store, tmp_path_factory):
    """The folder of a store in which random labelling of the small study is audited on two seeds."""
    root = shutil.copytree(filled_store, tmp_path_factory.mktemp("audited") / "store")
    study = OpenStudy.open(Store(root), studies(Store(root))[0].key)
    with pytest.MonkeyPatch.context() as patch:  # what is inside of models takes long, and is not shown here
        for name in ("lines", "relearned"):
            patch.setattr(from_models, name, lambda *_: [])
        fulfil(Store(root), Audit(name="Audit", subject=subject_of_method(study, "random-label"), tier=1, seeds=2))
    return root


@pytest.fixture
def page(open_page, audited):
    def start(**address):
        at = open_page("audit", audited, evidence="kept", **{"method": "random-label"} | address)
        assert not at.error
        return at

    return start


@pytest.fixture
def found(audited):
    return next(Store(audited).results("Audit"))


def words(at) -> str:
    return "\n".join(e.value for e in [*at.markdown, *at.caption])


def charts(at) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def test_without_an_audit_it_is_offered(page):
    at = page(method="fine-tune")
    assert [b.label for b in at.button if b.label.startswith("Collect")] == ["Collect this evidence"]
    assert not charts(at)


def test_the_first_sentence_has_both_accuracies_and_what_they_are_beside(page, found):
    first, table = page().markdown[0].value, found.table().set_index("metric")
    for metric in ("retain_accuracy", "test_accuracy"):
        line = table.loc[metric]
        assert f"{line['unlearned']:.3f}" in first and f"retrained {line['retrained']:.3f}" in first
        assert f"**{line['says']}**" in first
    assert "the widest of a second retrained model" in first


@pytest.mark.parametrize("on", class_gaps.GROUPS)
def test_every_class_with_such_images_is_drawn_sorted_with_the_noise(page, found, on):
    (chart,) = charts(page(group=on))
    table = found.table("classes")
    own = table[(table["on"] == on) & (table["images"] > 0)]
    gaps = own[own["kind"] == "unlearned"].set_index("group")["gap"]
    drawn = [trace for trace in chart["data"] if trace["type"] == "scatter" and trace["x"] != [None]]
    assert [trace["name"] for trace in drawn] == ["unlearned", "retrained again: the noise"]
    names = chart["layout"]["yaxis"]["ticktext"]
    assert set(names) == set(gaps.index)
    by_name = [dict(zip(names, own[own["kind"] == kind].set_index("group")["gap"][names], strict=True)) for kind in
               ("unlearned", "retrained")]  # fmt: skip
    assert list(by_name[0].values()) == sorted(by_name[0].values(), key=lambda gap: -abs(gap))
    assert chart["layout"]["title"]["text"].startswith(class_gaps.GROUPS[on])


def test_neighbours_leakage_and_the_worst_are_told(page, found):
    at = page()
    said = words(at)
    assert collateral_damage.paid(found.table("neighbours")) in said
    line = kept_images.one(found.table(), "retain_leakage")
    assert kept_images.leaks("Random-label", line) in said
    tables = [d.value for d in at.dataframe]
    near = next(t for t in tables if "Kept images" in t)
    assert near["Kept images"].tolist() == list(collateral_damage.SETS.values())
    aucs = next(t for t in tables if "AUC" in t)
    assert aucs["AUC"].tolist()[1].startswith(f"{line['unlearned']:.3f}")
    hit = found.table("worst_hit")
    worst = hit[hit["kind"] == "unlearned"]
    assert f"{-worst['change'].min():.3f}" in said
    if len(hit) > len(worst):
        assert "The worst of many always look bad" in said
    listed = next(t for t in tables if "nearest" in t)
    assert listed["row"].tolist() == hit["row"].tolist()


def test_all_of_whom_the_sentence_speaks_are_shown(monkeypatch):
    """More than fit in two lines of the picture."""
    shown, n = [], 21
    hit = pd.DataFrame({"kind": "unlearned", "row": range(n), "nearest": range(50, 50 + n), "change": -0.1,
                        "right_unlearned": [0.0, 0.4, *[1.0] * (n - 2)]})  # fmt: skip
    study = SimpleNamespace(classes=["a"], labels=np.zeros(99, int), pixels=np.zeros((99, 1, 8, 8), np.uint8))
    monkeypatch.setattr(collateral_damage.thumbnails, "show", lambda pixels, labels, **_: shown.extend(labels))
    monkeypatch.setattr(collateral_damage, "st", MagicMock())
    collateral_damage.worst_hit(study, "Fine-tune", hit)
    assert [name for name, _ in shown if name.startswith("row ")] == [f"row {row}" for row in range(n)]
    said = collateral_damage.fell("Fine-tune", hit, hit[:0])
    assert "The 21 images" in said and "2 of them are now wrong on more than half of the seeds." in said
    assert "None of them is now wrong" in collateral_damage.fell("Fine-tune", hit[2:], hit[:0])


# -- words from numbers ------------------------------------------------------------------------------------------------


def classes(**gaps) -> pd.DataFrame:
    """Lines of kept images: name -> (gap, half width) of the unlearned model, and of a second retrained one."""
    lines = [
        {"group": name, "images": 0 if pair is None else 9, "on": "retain", "kind": kind, "seeds": 3.0}
        | dict(zip(("gap", "half_width"), pair or (None, None), strict=True))
        for name, both in gaps.items()
        for kind, pair in zip(("unlearned", "retrained"), both, strict=True)
    ]
    return pd.DataFrame(lines).astype({"gap": float, "half_width": float})


def test_a_class_stands_out_only_beyond_its_interval_and_the_noise_of_any_class():
    quiet = {"a": ((-0.2, 0.1), (0.0, 0.0)), "b": ((0.1, 0.2), (-0.05, 0.1))}
    table = classes(**quiet, empty=(None, None))
    ours, again = (class_gaps.of(table, "retain", kind) for kind in ("unlearned", "retrained"))
    assert list(ours.index) == ["a", "b"]
    assert list(class_gaps.standing_out(ours, again).index) == ["a"]
    assert "1 of 2 classes worse and 0 better" in class_gaps.conclusion(ours, again, "retain")
    assert "forgotten more" in class_gaps.conclusion(ours, again, "forget")
    assert class_gaps.left_out(table, ours, "retain").endswith("Classes without such images: 1.")
    noisy = classes(**quiet | {"c": ((0.0, 0.0), (0.1, 0.15))})
    ours, again = (class_gaps.of(noisy, "retain", kind) for kind in ("unlearned", "retrained"))
    assert class_gaps.standing_out(ours, again).empty
    assert "no class can be told" in class_gaps.in_words(noisy, "retain")
    assert "class a, is −0.200 ± 0.100" in class_gaps.in_words(noisy, "retain")


def test_gaps_that_are_all_none_stand_on_no_wide_scale():
    """Plotly alone would draw them from -1 to 1."""
    still, moved = classes(a=((0.0, 0.0), (0.0, 0.0))), classes(a=((0.0, 0.0), (0.01, 0.0)))
    for table, range_ in ((still, (-class_gaps.NONE, class_gaps.NONE)), (moved, None)):
        ours, again = (class_gaps.of(table, "retain", kind) for kind in ("unlearned", "retrained"))
        assert class_gaps.chart("title", ours, again, []).layout.xaxis.range == range_
    # Where the original lies off it is to be seen.
    ours, again = (class_gaps.of(still, "retain", kind) for kind in ("unlearned", "retrained"))
    assert class_gaps.chart("title", ours, again, [], ours.assign(gap=0.3)).layout.xaxis.range is None


def test_names_of_classes_are_plain_text():
    table = classes(**{"<b>*x*</b>": ((-0.9, 0.1), (0.0, 0.0))})
    ours, again = (class_gaps.of(table, "retain", kind) for kind in ("unlearned", "retrained"))
    chart = class_gaps.chart("title", ours, again, [])
    assert "<b>" not in chart.to_json().replace("\\u003c", "<")
    assert "\\<b\\>\\*x\\*" in class_gaps.in_words(table, "retain")


def test_many_classes_are_cut_to_the_widest():
    table = classes(**{f"c{i}": ((-i / 100, 0.01), (0.0, 0.0)) for i in range(30)})
    ours = class_gaps.of(table, "retain", "unlearned")
    assert "The 24 widest of 30" in class_gaps.left_out(table, ours, "retain")


def near(gap, half, noise=(0.0, 0.0), count=40.0) -> pd.DataFrame:
    lines = []
    for kind, pair in (("unlearned", (gap, half)), ("retrained", noise)):
        for measure in ("accuracy", "confidence"):
            for which in collateral_damage.SETS:
                values = dict(zip(("gap", "half_width"), pair, strict=True))
                lines.append({"kind": kind, "measure": measure, "images": which, "count": count} | values)
    return pd.DataFrame(lines).astype({"gap": float, "half_width": float})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (near(-0.05, 0.01), "**paid more than**"),
        (near(0.05, 0.01), "**fared better than**"),
        (near(-0.05, 0.06), "**cannot be told from**"),
        (near(-0.05, 0.01, noise=(0.02, 0.04)), "**cannot be told from**"),
        (near(None, None), "nothing to compare them with"),
    ],
)
def test_neighbours_in_words(table, said):
    assert said in collateral_damage.paid(table)


@pytest.mark.parametrize(
    ("side", "said"), [(1, "gives away more"), (-1, "**less**"), (0, "cannot tell the two apart"), (None, "be told")]
)
def test_leakage_in_words(side, said):
    line = {"unlearned": 0.6, "retrained": 0.5, "gap": 0.1, "gap_half_width": 0.05, "floor": 0.01, "side": side}
    assert said in kept_images.leaks("A*", line) and "A\\*" in kept_images.leaks("A*", line)
    assert "could not be measured" in kept_images.leaks("A", line | {"gap": None})


def test_the_worst_in_words():
    hit = pd.DataFrame({"change": [-0.5, -0.25], "right_unlearned": [0.0, 1.0]})
    none = hit[:0]
    assert "by 0.250 to 0.500" in collateral_damage.fell("A", hit, hit[1:])
    assert "1 of them is now wrong on more than half of the seeds" in collateral_damage.fell("A", hit, hit[1:])
    assert collateral_damage.fell("A", hit, hit[1:]).endswith("they fell by 0.250.")
    assert "none falls" in collateral_damage.fell("A", hit, none)
    assert "No kept image" in collateral_damage.fell("A", none, hit)
