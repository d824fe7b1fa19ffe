"""The Explore page: what is said of a forget set, and every way to change it."""

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.choosing import panel
from pages.shared import chosen_set, cost_words, memorization_chart, plan_file, proxy_table, thumbnails
from unlearn_core import jobs, row_code
from unlearn_core.engines import machine
from unlearn_core.experiment import OpenStudy, ProxyTable, fulfil
from unlearn_core.experiment import proxy_table as cheaper
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.params import key
from unlearn_core.proxies import PROXIES
from unlearn_core.rows import pack
from unlearn_core.rum import Plan
from unlearn_core.store import Store


@pytest.fixture
def explore(open_page):
    """explore(store_folder, **address) -> the Explore page."""
    return partial(open_page, "explore")


def words(at) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption))


def button(at, begins: str):
    return next(b for b in at.button if b.label.startswith(begins))


def in_hand(at, study: OpenStudy) -> np.ndarray:
    """The rows that a link to the page as it stands would bring back."""
    return chosen_set.named(at.query_params["forget"], study) if "forget" in at.query_params else study.forget


def choose(at, rule: str, **settings) -> AppTest:
    at.selectbox(key="address.rule").select(rule).run()
    for name, value in settings.items():
        widgets = (*at.selectbox, *at.number_input, *at.text_input)
        next(w for w in widgets if w.key and w.key.startswith("rule.") and w.key.endswith(f".{name}")).set_value(value)
    at.run()
    assert not at.exception
    return at


def test_empty_store(explore, store):
    at = explore(store.root)
    assert "needs a finished study" in at.info[0].value
    assert [b.label for b in at.button] == ["Open a recorded run", "Run the example"]


HARD_WORDS = {
    (): "neither makes it hard to forget",
    ("memorization",): "its memorization makes it hard to forget",
    ("entanglement",): "its entanglement makes it hard to forget",
    ("memorization", "entanglement"): "both make it hard to forget",
}


def test_the_sentence_says_why_the_set_is_hard(explore, filled_store, study):
    at, es = explore(filled_store), study.sums.describe(study.forget)
    said = at.markdown[0].value
    assert f"own forget set of {len(study.forget)} images" in said
    assert f"**{es.share_of_random:.2g} times as entangled**" in said
    percentiles = describe(study, study.forget).stands_out
    assert HARD_WORDS[percentiles] in said and f"**{study.memorization.scores[study.forget].mean():.2f}**" in said
    assert f"score {es.score:.0f}," in at.markdown[0].help and "mean of all training images" in at.markdown[0].help

    at.radio(key="address.center").set_value("midpoint").run()
    other = study.sums.describe(study.forget, "midpoint")
    assert f"score {other.score:.0f}," in at.markdown[0].help and "midpoint" in at.markdown[0].help
    assert other.share_of_random == pytest.approx(es.share_of_random)  # as the page says: the same from either centre


def test_a_rule_shows_what_it_names_and_changes_the_set_only_when_told(explore, filled_store, study):
    at = choose(explore(filled_store), "random", size=40, seed=3)
    assert "The rule names **40 images**" in words(at)
    assert np.array_equal(in_hand(at, study), study.forget)

    button(at, "Use these 40").click().run()
    assert at.subheader[0].value == "Your set: 40 images"
    assert len(in_hand(at, study)) == 40
    shared = len(np.intersect1d(in_hand(at, study), study.forget))
    assert f"{shared} images are in both" in words(at)

    at = choose(at, "own")
    button(at, "Add").click().run()
    assert at.subheader[0].value == f"Your set: {40 + len(study.forget) - shared} images"
    button(at, "Take").click().run()
    assert len(in_hand(at, study)) == 40 - shared

    for expected in (40 + len(study.forget) - shared, 40, len(study.forget)):
        button(at, "Undo").click().run()
        assert at.subheader[0].value == f"Your set: {expected} images"
    assert button(at, "Undo").disabled

    for expected in (40, 40 + len(study.forget) - shared, 40 - shared):
        button(at, "Redo").click().run()
        assert at.subheader[0].value == f"Your set: {expected} images"
    assert button(at, "Redo").disabled


def test_a_change_after_undo_cannot_be_redone(explore, filled_store, study):
    at = choose(explore(filled_store), "random", size=40, seed=3)
    button(at, "Use these 40").click().run()
    button(at, "Undo").click().run()
    assert np.array_equal(in_hand(at, study), study.forget) and not button(at, "Redo").disabled
    button(choose(at, "random", size=41, seed=3), "Use these 41").click().run()
    assert len(in_hand(at, study)) == 41 and button(at, "Redo").disabled


def test_a_set_can_be_turned_round(explore, filled_store, study):
    at = explore(filled_store, forget="0-99")
    button(at, f"Invert: take the other {len(study.labels) - 100}").click().run()
    assert in_hand(at, study).tolist() == [*range(100, len(study.labels))]
    button(at, "Invert").click().run()
    assert in_hand(at, study).tolist() == [*range(100)]


def test_a_band_and_the_neighbours_of_an_image(explore, filled_store, study):
    at = choose(explore(filled_store), "band", scale="rank", low=0.9, high=1.0)
    button(at, f"Use these {len(study.labels) // 10}").click().run()
    scores = study.memorization.scores
    assert scores[in_hand(at, study)].min() >= np.sort(scores)[-len(study.labels) // 10]
    at = choose(at, "band", scale="value", low=0.9, high=0.2)
    assert "runs backwards" in at.error[0].value and button(at, "Invert")
    at = choose(at, "near", row=17, size=5)
    button(at, "Use these 5").click().run()
    apart = study.sums.distances(17, np.arange(len(study.labels)))
    assert in_hand(at, study).tolist() == sorted(np.argsort(apart, kind="stable")[:5])


def test_a_whole_class(explore, filled_store, study):
    at = choose(explore(filled_store), "class")
    at.selectbox(key="address.class").select("7").run()
    button(at, "Use these").click().run()
    assert np.array_equal(in_hand(at, study), np.flatnonzero(study.labels == 7))
    assert "**All of class 7** is in your set: a retrained model never saw the class" in at.warning[0].value


def test_nearly_everything_is_not_called_easy(explore, filled_store, study):
    n = len(study.labels)
    at = explore(filled_store, forget=f"0-{n - 21}")
    said = at.markdown[0].value
    assert f"**Only 20 images of {n:,} would be kept**" in said
    assert "easier" not in said and "neither makes it hard" not in said and "hard to forget" not in said
    assert f"Most of each of the {len(study.classes)} classes" in "".join(each.value for each in at.warning)
    assert "would be kept" not in explore(filled_store, forget=f"0-{n // 2 - 1}").markdown[0].value


def test_names_of_classes_have_room_beside_their_bars():
    names = ("cat", "automobile", "<b>a very long name of a class</b>")
    study = SimpleNamespace(classes=names)
    counts, of_class = np.array([2, 0, 5]), np.array([40, 30, 1250])
    columns = (column.tobytes() for column in (counts, of_class, counts / of_class))
    fig, said = panel._classes_chart.__wrapped__(study, *columns)
    axis = fig.layout.yaxis
    assert axis.ticktext == ("cat", "automobile", "&lt;b&gt;a very lon…") and axis.tickvals == (0, 1, 2)
    # A letter takes about seven pixels; what is longer than the margin makes room for itself.
    assert fig.layout.margin.l >= 7 * len("automobile") and axis.automargin
    names = ("cat", "automobile", "&lt;b&gt;a very long name of a class&lt;/b&gt;")
    assert said == ", ".join(f"{a} {b}" for a, b in zip(names, ("2 of 40", "0 of 30", "5 of 1,250"), strict=True))
    assert fig.data[0].text == ("2 / 40", "0 / 30", "5 / 1,250") and "Class cat loses most: 5%" in fig.layout.title.text


def test_of_many_classes_those_that_lose_most_have_bars(study):
    per_class, of_class = np.arange(40), np.full(40, 80)
    study = SimpleNamespace(classes=[str(i) for i in range(40)])
    columns = (column.tobytes() for column in (per_class, of_class, per_class / of_class))
    fig, said = panel._classes_chart.__wrapped__(study, *columns)
    assert len(fig.data[0].x) == panel.SHOWN and said.startswith("39 39 of 80, 38 38 of 80")
    assert "10 of 40 classes" in fig.layout.title.text


def test_bars_say_how_many_of_all_images_of_a_class_are_in_the_set(study):
    facts = describe(study, study.forget).facts
    assert facts.of_class.sum() == len(study.labels) and facts.per_class.sum() == len(study.forget)
    for label in range(len(study.classes)):
        assert facts.of_class[label] == (study.labels == label).sum()
        assert facts.per_class[label] == (study.labels[study.forget] == label).sum()
    assert np.allclose(facts.shares * facts.of_class, facts.per_class)


def test_classes_that_are_not_named_are_counted():
    names = tuple("abcdefg")
    assert "classes a, b, c, d, e and 2 more" in panel.lost(names, (), 10)[0]
    assert panel.lost(names[:5], (), 10)[0].startswith("**Most of classes a, b, c, d, e** are")
    assert panel.lost((), (), 10) == []


def test_all_of_a_class_and_most_of_another_are_told_apart(explore, filled_store, study):
    whole, half = (np.flatnonzero(study.labels == label) for label in (0, 1))
    chosen = np.union1d(whole, half[: len(half) // 2 + 1])
    facts = study.about(chosen)
    assert facts.lost == study.classes[:2] and facts.gone == study.classes[:1]
    said = [warning.value for warning in explore(filled_store, forget=pack(chosen)).warning]
    assert len(said) == 2 and f"All of class {study.classes[0]}*" in said[0] and "never saw" in said[0]
    assert f"Most of class {study.classes[1]}*" in said[1] and "hardly knows" in said[1]


def test_row_numbers_by_hand_and_from_a_file(explore, filled_store, study):
    at = choose(explore(filled_store), "rows")
    assert not at.error and "Type row numbers" in words(at)
    at = choose(at, "rows", named="5, 7-9")
    assert "The rule names **4 images**" in words(at)
    at = choose(at, "rows", named="5, x")
    assert "is not a row number" in at.error[0].value

    upload = at.get("file_uploader")[0]
    upload.upload("ids.csv", b"row\n3\n11\n", "text/csv").run()
    assert "The rule names **2 images**" in words(at)
    upload = at.get("file_uploader")[0]
    upload.upload("ids.csv", b"row,label\n3,7\n9,1\n11,1\n", "text/csv").run()
    assert "The rule names **3 images**" in words(at)  # and no label among them
    upload = at.get("file_uploader")[0]
    upload.upload("ids.csv", b"row\n3\n9999\n", "text/csv").run()
    assert "Line 3: row 9999 does not exist".lower() in at.error[0].value.replace("\\", "").lower()


def test_a_link_brings_the_set_back_and_a_bad_one_says_so(explore, filled_store, study):
    at = explore(filled_store, forget="2,4,6-9")
    assert at.subheader[0].value == "Your set: 6 images"
    button(at, "Undo").click().run()
    assert np.array_equal(in_hand(at, study), study.forget)

    at = explore(filled_store, forget="2,99999")
    assert "cannot be used" in at.warning[0].value
    assert at.subheader[0].value == f"Your set: {len(study.forget)} images"


def test_a_few_rows_are_named_plainly_and_many_by_their_code(explore, filled_store, study):
    for many, marked in ((5, False), (60, True)):
        at = choose(explore(filled_store), "random", size=many)
        button(at, f"Use these {many}").click().run()
        text = at.query_params["forget"]
        assert row_code.is_code(text) == marked and len(text) <= 60
        again = explore(filled_store, forget=text)
        assert again.subheader[0].value == f"Your set: {many} images" and not again.warning
    at = explore(filled_store, forget=pack(in_hand(at, study)))  # as links were before there was a code
    assert at.subheader[0].value == "Your set: 60 images" and at.query_params["forget"] == text


@pytest.mark.parametrize("text", ["~", "~AAAA", "~zzz=", "~" + "A" * 5000, "~_____w", "~x y"])
def test_a_damaged_code_in_the_address_is_one_sentence(explore, filled_store, study, text):
    at = explore(filled_store, forget=text)
    assert "cannot be used: " in at.warning[0].value and len(at.warning[0].value) < 200
    assert at.subheader[0].value == f"Your set: {len(study.forget)} images"


def test_a_long_set_stays_out_of_the_address(explore, filled_store, monkeypatch):
    monkeypatch.setattr(chosen_set, "ADDRESS", 20)
    at = choose(explore(filled_store), "random", size=50)
    button(at, "Use these 50").click().run()
    assert at.subheader[0].value == "Your set: 50 images" and "forget" not in at.query_params
    button(at, "Plan with this set").click().run()
    assert "your set of 50 images" in at.markdown[0].value


def test_planning_takes_the_set_along(explore, filled_store, study):
    at = explore(filled_store, forget="2,4,6-9")
    button(at, "Plan with this set").click().run()
    assert at.title[0].value == "Plan" and "your set of 6 images" in at.markdown[0].value


def test_the_histogram_counts_every_image_once(study):
    parts = study.refine(Plan(), study.forget)
    fig = memorization_chart.of_all(study, study.forget, parts)
    everyone, chosen = fig.data
    assert sum(everyone.y) == len(study.labels) and sum(chosen.y) == len(study.forget)
    assert len(everyone.x) <= 41 and len(fig.layout.shapes) == 2  # bars, not images, go to the browser; two cuts
    by_part = memorization_chart.of_set(study, "entanglement", parts, (0.0, 1.0)).data
    assert [sum(trace.y) for trace in by_part] == [len(rows) for rows in parts.values()]
    assert all(len(trace.x) <= 42 for trace in by_part)


def test_a_mosaic_shows_each_image_enlarged_without_blur():
    tiles = np.zeros((3, 3, 2, 2), np.uint8)
    tiles[1, 0] = 255
    sheet = np.asarray(thumbnails.mosaic(tiles, [("a", "b")] * 3, across=2).convert("RGB"))
    step = thumbnails.SIDE + thumbnails.GAP
    assert (sheet[: thumbnails.SIDE, step : step + thumbnails.SIDE] == (255, 0, 0)).all()
    assert (sheet[: thumbnails.SIDE, : thumbnails.SIDE] == 0).all()
    grey = thumbnails.mosaic(np.full((1, 1, 8, 8), 7, np.uint8), [("", "")])
    assert isinstance(grey, Image.Image) and grey.convert("RGB").getpixel((3, 3)) == (7, 7, 7)


def test_the_set_in_the_address_is_the_one_in_hand(explore, filled_store, study):
    at = choose(explore(filled_store), "memorization", level="high", size=12)
    button(at, "Use these 12").click().run()
    top = np.lexsort((np.arange(len(study.labels)), -study.memorization.scores))[:12]
    assert np.array_equal(in_hand(at, study), np.sort(top))


# -- cheaper scores ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(filled_store, filled_study, tmp_path_factory):
    """The folder of a store in which the small study has its table of cheaper scores."""
    root = tmp_path_factory.mktemp("compared") / "store"
    shutil.copytree(filled_store, root)
    fulfil(Store(root), ProxyTable(study=filled_study))
    return root


def cheap_scores(at):
    """The table of cheaper scores as it stands on the page."""
    return next(frame.value for frame in at.dataframe if "correlation" in frame.value)


def titles(names):
    return [PROXIES[name].title for name in names]


def test_scores_that_cost_nothing_are_ranked_at_once(explore, filled_store, study, submitted):
    at = explore(filled_store)
    shown, free = cheap_scores(at), cheaper.ready(study)
    assert sorted(shown["title"]) == sorted(titles(name for name in PROXIES if PROXIES[name].recorded))
    for said, r in zip(shown["correlation"], free["correlation"], strict=True):
        assert said.startswith(f"{r:.2f} (")
    assert "retraining on validation images and curvature of the loss" in words(at) and "(18 runs)" in words(at)
    button(at, "Compare all scores").click().run()
    assert submitted == [ProxyTable(study=study.spec)] and at.title[0].value == "Runs"


def test_a_comparison_takes_its_cost_along(explore, filled_store, study, foreseen, monkeypatch):
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    button(explore(filled_store), "Compare all scores").click().run()
    assert foreseen == [cost_words.unsure(study.store, "ProxyTable", cheaper.cost(study)[1])]


def test_a_comparison_under_way_is_not_offered_again(explore, filled_store, study, monkeypatch):
    asked = key(ProxyTable(study=study.spec))
    job = jobs.Job(asked, "ProxyTable", "Cheaper", "running", 0.0, 60.0, (("scores", 8.0),), 2, 10, "", "", 12.0)
    monkeypatch.setattr(jobs, "get", lambda store, name: job if name == asked else None)
    at = explore(filled_store)
    assert [link.proto.label for link in at.get("page_link")] == ["It is under way: see how far"]
    assert not [b for b in at.button if b.label == "Compare all scores"]


def test_the_whole_table_stands_in_the_order_of_agreement(explore, compared, study):
    at, (table, _) = explore(compared), cheaper.finished(OpenStudy.open(Store(compared), study.key))
    shown = cheap_scores(at)
    assert shown["title"].tolist() == ["Exact memorization", *titles(table.index[1:])]
    assert shown["tow"].iloc[0] == "{:.3f} ± {:.3f}".format(
        *study.means("group_tow").loc["rum", ["mean", "half_width"]]
    )
    assert not [b for b in at.button if b.label == "Compare all scores"]
    best = PROXIES[table.index[1]].title
    assert f"**{best}** ranks the images most like the bank does" in words(at)


@pytest.mark.parametrize(
    ("apart", "half", "says"),
    [
        (-0.05, 0.02, "differs by −0.050 ± 0.020 group ToW from RUM cut by exact scores: worse"),
        (0.05, 0.02, ": better"),
        (0.01, 0.02, "not to be told from no difference"),
        (0.05, np.nan, "one seed cannot say"),
        (np.nan, np.nan, ""),
    ],
)
def test_what_is_said_of_the_best_score_follows_its_numbers(apart, half, says, compared, study):
    table = cheaper.finished(OpenStudy.open(Store(compared), study.key))[0]
    table.loc[table.index[1], ["difference", "difference_half_width"]] = [apart, half]
    said = proxy_table._sentence(study, table)
    assert says in said and ("RUM" in said) == bool(says)


def test_a_plan_is_cut_only_by_scores_that_are_there(open_page, filled_store, compared):
    def offered(at):
        return next(w for w in at.selectbox if w.key and w.key.endswith(".by")).options

    before, after = open_page("plan", filled_store), open_page("plan", compared)
    assert len(offered(before)) == len(offered(after)) - 2 == 6
    said = "Not computed yet: retraining on validation images, curvature of the loss."
    assert said in words(before) and said not in words(after)


def test_a_plan_by_a_score_that_is_missing_says_so_and_computes_nothing(open_page, filled_store, study):
    at = open_page("plan", filled_store, plan=plan_file.to_address(Plan(by="loss_curvature")))
    assert "is not computed yet, so memorization cuts it here" in at.warning[0].value
    assert not study.is_ready("loss_curvature")


@pytest.mark.parametrize("address", [{"map": "pca"}, {"change": "Saved sets"}, {"center": "midpoint"}])
def test_the_set_goes_to_plan_and_what_widgets_wrote_into_the_address_stays(explore, filled_store, address):
    at = explore(filled_store, forget="2,4,6-9", **address)
    next(b for b in at.button if b.label == "Plan with this set").click().run()
    assert at.title[0].value == "Plan" and not at.exception
    assert at.query_params["forget"] == "2,4,6-9" and not set(address) & set(at.query_params)
