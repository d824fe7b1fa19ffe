"""The paper's study: every step is there, a budget stops it, and the same command goes on without computing twice."""

import importlib
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from test_paper_page import check_findings

import unlearn_core.experiment.paper as paper
from unlearn_core.cli import app
from unlearn_core.cli.frame import AGAIN
from unlearn_core.data import Data
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.paper_trends import FINDINGS, verdict
from unlearn_core.store import Store
from unlearn_core.unlearning import FineTune, NegGradPlus, Scrub
from unlearn_core.unlearning.relabel.salun import SalUn
from unlearn_core.words import spread

DOCS = Path(__file__).parents[1] / "docs"
RATES = {"small": 1000.0, "full": 10.0, "processes": 2}
TITLES = {finding.name: finding.title for finding in FINDINGS}
FEW = (FineTune(epochs=1), NegGradPlus(epochs=1), SalUn(epochs=1))


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The study on a few digits with two algorithms; the store's folder."""
    monkeypatch.setitem(
        paper.SCALES, "small", paper.Scale(300, 100, {"width": 8, "epochs": 3}, models=10, size=12, epochs=1)
    )
    monkeypatch.setattr(paper, "SINGLES", FEW)
    monkeypatch.setattr(paper, "ALONE", ("fine-tune", "neggrad-plus"))
    monkeypatch.setattr(paper, "TRIALS", 6)
    monkeypatch.setenv("UNLEARN_WORKERS", "1")
    return tmp_path / "store"


def run(capsys, monkeypatch, *options):
    """What `study paper` answers, and its exit status."""
    monkeypatch.setattr(sys, "argv", ["unlearn_core", "study", "paper", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        app()
    said = capsys.readouterr()
    return ended.value.code, json.loads(said.out.splitlines()[-1]) if said.out else None, said.err


def test_a_budget_stops_it_and_the_same_command_goes_on(tiny, capsys, monkeypatch):
    command = "--dataset", "digits", "--seeds", 2, "--store", tiny
    status, told, said = run(capsys, monkeypatch, *command, "--budget-minutes", 0.005)
    assert status == AGAIN and not told["finished"] and told["done"] < told["of"]
    assert "The minutes are over. What was finished is kept" in said
    status, told, _ = run(capsys, monkeypatch, *command)
    assert (status or 0) == 0 and told["finished"]
    assert [step["step"] for step in told["steps"]] == list(paper.NAMES)
    before = sorted(tiny.glob("results/*/*"))
    status, again, _ = run(capsys, monkeypatch, *command)
    assert all(step["cached"] for step in again["steps"])
    assert [step["key"] for step in again["steps"]] == [step["key"] for step in told["steps"]]
    assert sorted(tiny.glob("results/*/*")) == before

    keys = {step["step"]: step["key"] for step in told["steps"]}
    opened = {name: OpenStudy.open(Store(tiny), key) for name, key in keys.items() if name in paper.STUDIES}
    sets = {name: frozenset(study.forget.tolist()) for name, study in opened.items()}
    assert len({sets[name] for name in paper.NAMES[:8]}) == 8
    assert {len(rows) for name, rows in sets.items() if name != "one class"} == {12}
    mean = {n: opened[f"memorization {n}"].memorization.scores[list(sets[f"memorization {n}"])].mean() for n in LEVELS}
    assert mean["low"] < mean["medium"] < mean["high"]
    score = {n: opened[f"entanglement {n}"].summary["entanglement"]["score"] for n in LEVELS}
    assert score["low"] < score["medium"] < score["high"]
    # All of the same images, and every order of the parts once.
    assert sets["mix"] == sets["one algorithm"] == sets["orders"] == sets["as released"]
    orders = {plan.order for name in ("mix", "orders") for plan in opened[name].spec.plans}
    assert len(orders) == 6
    # The released code of SalUn lets the weights change that matter least.
    released = opened["as released"].spec.unlearners
    assert [(u.keep, u.relabel) for u in released] == [("top", True), ("bottom", True), ("top", False)]
    assert all(isinstance(u, SalUn) for u in released)
    # What is finished is found again by the store alone, and nothing is made for it.
    monkeypatch.setattr(paper, "influence", lambda *_: 1 / 0)
    assert {name: result.key for name, result in paper.made(Store(tiny), "small").items()} == keys
    assert paper.made(Store(tiny), "full") == {}

    # What it shows of the findings: every finding has lines.
    shown = {(line["finding"], line["line"]): line for line in told["trends"]}
    assert {title for title, _ in shown} == {finding.title for finding in FINDINGS}
    # Models that forgot the other low set, on the first one, by hand.
    first, other = opened["memorization low"], opened["other low set"]
    line = shown[TITLES["other-set"], "salun"]
    assert line["n"] == 2
    at = [first.target.accuracies(other.logits("salun", seed)) for seed in range(2)]
    goal = [first.target.accuracies(first.logits("retrained", seed)) for seed in range(2)]
    wrongly = np.mean([np.prod([1 - abs(a[k] - g[k]) for k in a]) for a, g in zip(at, goal, strict=True)])
    own = other.table[other.table["method"] == "salun"]["tow"].mean()
    assert line["mean"] == pytest.approx(wrongly - own)

    # The page is written from the same store; where a step was not run it says so.
    monkeypatch.syspath_prepend(DOCS)
    page, figures, numbers = (importlib.import_module(name) for name in ("paper", "paper_figures", "paper_numbers"))
    found = numbers.numbers(Store(tiny), "small")
    for name, study in opened.items():
        for (method, column), values in seed_values(found["sets"][name]).items():
            of = study.table[study.table["method"] == method].sort_values("seed")[column]
            assert values == [None if np.isnan(v) else pytest.approx(v) for v in of.astype(float)], (name, method)
    check_findings(found)
    entangled(found["sets"]["entanglement high"]["entanglement"], opened["entanglement high"])
    assert found["other set"]["shared"] == len(sets["memorization low"] & sets["other low set"])
    assert {n: one["at_edge"] for n, one in found["sets"].items()} == {
        n: study.summary["at_grid_edge"] for n, study in opened.items()
    }
    table = opened["entanglement low"].table.groupby("method")["tow"].mean()
    said = {name: line["tow"]["mean"] for name, line in found["sets"]["entanglement low"]["methods"].items()}
    assert said == pytest.approx(table.to_dict())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["work"]["kinds"]["Training"]["results"] == len([*Store(tiny).results("Training")])
    # A control that is its plan has no line of its own.
    assert "rum-f-neggrad-f-neggrad-plus" in opened["one algorithm"].table["method"].unique()
    assert not any("neggrad-f-" in name for name in found["sets"]["one algorithm"]["methods"])
    drawn = figures.figures(found)
    assert {f"{name}.svg" for name in (*TITLES, "over-unlearning", "onion")} == set(drawn)
    roots = [ElementTree.fromstring(svg) for svg in drawn.values()]  # noqa: S314 - drawn here
    assert {root.tag for root in roots} == {"{http://www.w3.org/2000/svg}svg"}
    whole = page.page(found, RATES)
    assert all(title in whole and f"(paper/{name}.svg)" in whole for name, title in TITLES.items())
    assert spread(said["salun"], found["sets"]["entanglement low"]["methods"]["salun"]["tow"]["half_width"]) in whole
    assert "### Entanglement high\n\nNot run." not in whole
    del found["sets"]["entanglement high"], found["requests"]
    found["trends"][0] |= {"lines": {}, "verdicts": {}}
    begun = page.page(found, RATES)
    assert "### Entanglement high\n\nNot run." in begun and "privacy onion" not in begun
    assert f"### {FINDINGS[0].title}\n\nNot run." in begun
    assert numbers.numbers(Store(tiny), "full") == {}

    # A step that is missing is passed over, as long as nothing would have to be computed to name the next one.
    def without(name):
        lacking = Store(tiny)
        find = lacking.find
        lacking.find = lambda spec: None if getattr(spec, "name", "").endswith(f": {name}") else find(spec)
        return tuple(paper.made(lacking, "small"))

    assert without("one class") == tuple(name for name in paper.NAMES if name != "one class")
    until = paper.NAMES[: paper.NAMES.index("other low set")]
    assert without("memorization low") == tuple(name for name in until if name != "memorization low")
    assert without("memorization high") == tuple(n for n in paper.NAMES[:-1] if n != "memorization high")


def seed_values(one):
    """The values of each seed of one set, by method and column."""
    return {(m, c): values for m, line in one["methods"].items() for c, values in line["each_seed"].items()}


def entangled(told, study):
    """Both entanglement scores of a set by their formula, from the embeddings themselves."""
    x, rows = study.sums.x, study.forget
    forget, rest = x[rows], np.delete(x, rows, axis=0)
    spread_of = [((side - side.mean(0)) ** 2).sum(1).mean() for side in (forget, rest)]
    means = [side.mean(0) for side in (forget, rest)]
    for name, center in (("all", x.mean(0)), ("midpoint", (means[0] + means[1]) / 2)):
        between = sum(((mean - center) ** 2).sum() for mean in means) / 2
        assert told[name]["score"] == pytest.approx(sum(spread_of) / between)
    assert told["all"]["score"] < told["midpoint"]["score"]  # few are forgotten, so their mean is the far one


def test_the_other_low_set_breaks_ties_the_other_way():
    scores = np.array([0.0, 0.5, 0.0, 0.0, 1e-12, 0.2])
    assert paper.least_with_ties_reversed(scores, 2).tolist() == [3, 4]
    assert paper.least_with_ties_reversed(scores, 5).tolist() == [0, 2, 3, 4, 5]


LEVELS = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("mean", "half", "said"),
    [
        (0.2, 0.1, "reproduced"),
        (-0.2, 0.1, "not reproduced"),
        (0.1, 0.2, "within noise"),
        (0.1, None, "no interval"),
        (None, None, "not measured"),
    ],
)
def test_a_finding_is_reproduced_where_its_whole_interval_says_so(mean, half, said):
    assert verdict(Estimate(mean, half, 3)) == said


def test_a_scale_is_refused_by_name(tiny, capsys, monkeypatch):
    status, told, said = run(capsys, monkeypatch, "--scale", "huge", "--store", tiny)
    assert status == 2 and told is None and "There is no scale called 'huge'; there are small, full." in said


def test_fewer_epochs_keep_the_share_that_repairs():
    shorter = paper.SCALES["small"].unlearning(Scrub())
    assert (shorter.epochs, shorter.max_epochs) == (4, 2) and (Scrub().epochs, Scrub().max_epochs) == (8, 4)
    assert paper.SCALES["full"].unlearning(Scrub()) == Scrub()
    assert paper.SCALES["small"].unlearning(FineTune()).epochs == 4


def test_full_is_the_papers_recipe():
    training = paper.SCALES["full"].training(Data(name="CIFAR-10"))
    assert (training.model, training.epochs, training.lr, training.batch) == ("resnet18", 30, 0.1, 256)
    assert (training.data.train, training.data.validation, training.augment) == (0, 0.1, "none")
    mine = Data(name="CIFAR-100-files", fingerprint="0" * 64)
    assert paper.SCALES["full"].training(mine).model == "resnet50"
    assert paper.SCALES["full"].training(mine).data == mine.but(train=0, test=0)
    assert paper.SCALES["small"].training(mine).but(data=Data()) == paper.SCALES["small"].training(Data()).but(
        data=Data()
    )
