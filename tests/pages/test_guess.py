"""The guess game: fair pairs, answers that stay out of the address, and scores that are those of the core."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn_core import evaluation
from unlearn_core.attacks.signals import confidence
from unlearn_core.experiment import OpenStudy, guessing
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.guessing import Pair, attack_hits, hardness, opposite_wins, pairs, right_answers, won
from unlearn_core.params import BadValue


def test_pairs_are_fair_and_the_same_for_a_seed(study):
    found = pairs(study, ("original",), seed=3)
    assert found == pairs(study, ("original",), seed=3) != pairs(study, ("original",), seed=4)
    assert len({p.row for p in found}) == len({p.stranger for p in found}) == len(found) == 10
    assert np.isin([p.row for p in found], study.forget).all()
    unseen = study.data.test.y.numpy()
    assert all(study.labels[p.row] == unseen[p.stranger] for p in found)


def test_both_sides_come_up(study):
    left = [p.left for seed in range(20) for p in pairs(study, ("original",), seed)]
    assert 0.35 < np.mean(left) < 0.65


def test_too_few_images_are_refused(study):
    with pytest.raises(BadValue, match="The game needs 31 images"):
        pairs(study, ("original",), 0, 31)


def test_the_attack_is_scored_by_who_is_surer():
    asked = [Pair(0, 0, True, {"m": (0.9, 0.2)}), Pair(1, 1, False, {"m": (0.1, 0.2)}), Pair(2, 2, True, {"m": (1, 1)})]
    assert attack_hits(asked, "m") == 1.5
    assert [p.shown("m") for p in asked] == [(0.9, 0.2), (0.2, 0.1), (1, 1)]


def test_partners_are_as_hard_as_can_be(study):
    (forget, test), labels = hardness(study), study.data.test.y.numpy()
    hard = dict(zip(study.forget.tolist(), forget, strict=True))
    found, taken = pairs(study, ("original",), seed=3), set()
    for pair in found:
        others = [i for i in np.flatnonzero(labels == study.labels[pair.row]) if i not in taken]
        assert abs(test[pair.stranger] - hard[pair.row]) == np.abs(test[others] - hard[pair.row]).min()
        taken.add(pair.stranger)
    # Drawn without regard to it they are further apart.
    blind = [np.abs(test[labels == study.labels[row]] - hard[row]).mean() for row in hard]
    assert np.mean([abs(test[p.stranger] - hard[p.row]) for p in found]) < 0.5 * np.mean(blind)


def test_the_surer_one_wins_as_often_as_is_said_of_all_pairs(study):
    """Over all forget images, each with its partner, by hand."""
    (forget, test), labels = hardness(study), study.data.test.y.numpy()
    shares = []
    for seed in range(study.spec.seeds):
        logits, hits = study.logits("fine-tune", seed), []
        known, strange = confidence(logits["train"], study.labels), confidence(logits["test"], labels)
        for row, hard in zip(study.forget, forget, strict=True):
            others = np.flatnonzero(labels == study.labels[row])
            other = others[np.abs(test[others] - hard).argmin()]
            hits.append(float(known[row] > strange[other]) + 0.5 * float(known[row] == strange[other]))
        shares.append(np.mean(hits))
    said = won(study, ("fine-tune",))["fine-tune"]
    assert said == evaluation.over_seeds(shares) and said.n == study.spec.seeds


def test_without_a_bank_all_pairs_count(study):
    known = OpenStudy(study.store, study.result)
    known.__dict__["references"] = None
    assert hardness(known) is None
    auc = study.means("attack_auc").loc["original"]
    said = won(known, ("original",))["original"]
    assert (said.mean, said.half_width) == (auc["mean"], auc["half_width"])
    # Over all forget images and many draws, the share of right pairs is that attack's AUC but for the draw of partners.
    asked = [p for seed in range(40) for p in pairs(known, ("original",), seed)]
    auc = study.table.query("method == 'original' and seed == 0")["attack_auc"].iloc[0]
    assert attack_hits(asked, "original") / len(asked) == pytest.approx(auc, abs=0.1)


def test_the_opposite_rule_wins_where_the_attack_does_worse_than_chance(study):
    shares = {"original": 0.8, "fine-tune": 0.3, "retrained": 0.499}
    right = {name: evaluation.Estimate(value, 0.002, 3) for name, value in shares.items()}
    assert opposite_wins(right) == {"fine-tune": pytest.approx(0.7)}  # at 0.5 no rule wins
    assert opposite_wins({"fine-tune": evaluation.Estimate(0.3, None, 1)}) == {}  # a single seed has no interval
    asked = [p for seed in range(40) for p in pairs(study, ("original",), seed)]
    turned = [replace(p, sure={"original": p.sure["original"][::-1]}) for p in asked]
    assert attack_hits(turned, "original") == len(asked) - attack_hits(asked, "original")


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (
            {"fine-tune": 0.7, "retrained": 0.6},
            "for **70%** with Fine-tune, and for 60% with a retrained model too, which never saw them.",
        ),
        (
            {"original": 0.6, "fine-tune": 0.7},
            "for **60%** with Original and **70%** with Fine-tune, and does not win with a retrained model.",
        ),
        ({"fine-tune": 0.7}, "win with a retrained model, so the images stand out by what was done to forget them."),
        ({"retrained": 0.7}, ""),
        ({}, ""),
    ],
)
def test_the_page_says_where_the_opposite_rule_wins(open_page, filled_store, monkeypatch, shares, said):
    monkeypatch.setattr(guessing, "opposite_wins", lambda right: shares)
    at = open_page("guess", filled_store, method="fine-tune")
    while len(at.subheader) and at.subheader[0].value.startswith("Pair"):
        at.button(key="guess.Left").click().run()
    told = [m.value for m in at.markdown if m.value.startswith("The opposite rule wins here")]
    assert said in told[0] if said else told == []
    why = [c.value for c in at.caption if "images to forget are often the hard ones" in c.value]
    assert len(why) == ("retrained" in shares) and all("than of their partners." in text for text in why)


def test_why_the_value_to_reach_may_be_under_one_half_without_partners(open_page, unbanked_store, monkeypatch):
    monkeypatch.setattr(guessing, "opposite_wins", lambda right: {"retrained": 0.6})
    at = open_page("guess", unbanked_store, method="fine-tune")
    while at.subheader[0].value.startswith("Pair"):
        assert any("Your answers are not in it" in c.value for c in at.caption)
        at.button(key="guess.Left").click().run()
    assert any(c.value.endswith("less sure of them than of test images.") for c in at.caption)
    assert not any("Your answers" in c.value for c in at.caption)


def test_a_game_from_first_to_last(open_page, filled_store):
    at = open_page("guess", filled_store)
    for number in range(20):
        assert at.subheader[0].value.startswith(f"Pair {number + 1} of 20")
        assert set(at.query_params) <= {"study", "method", "pair"}
        answer = at.session_state["guess"]["pairs"][number].left
        at.button(key="guess.Left" if answer else "guess.Right").click().run()
    assert [m.value for m in at.metric] == ["10 of 10", "10 of 10"]
    assert [m.label for m in at.metric][0] == "Original"
    at.button[-1].click().run()
    assert at.subheader[0].value.startswith("Pair 1 of 20") and at.session_state["guess"]["turn"] == 1


def test_wrong_answers_count_for_nothing(open_page, filled_store, study):
    at = open_page("guess", filled_store)
    for number in range(20):
        answer = at.session_state["guess"]["pairs"][number].left
        at.button(key="guess.Right" if answer else "guess.Left").click().run()
        if number == 0:
            side = "left" if answer else "right"
            said = f"Wrong: of the last pair the model was trained on the image on the {side}. 0 of 1 so far."
            assert said in [c.value for c in at.caption]
    assert [m.value for m in at.metric] == ["0 of 10", "0 of 10"]
    right = won(study, (core.ORIGINAL, core.RETRAINED))
    said = next(m.value for m in at.markdown if m.value.startswith("Over all pairs of a forget image and its partner"))
    assert f"**{right[core.ORIGINAL].mean:.0%}**" in said and f"**{right[core.RETRAINED].mean:.0%}**" in said


def test_another_method_is_another_game(open_page, filled_store):
    at = open_page("guess", filled_store)
    at.button(key="guess.Left").click().run()
    at.selectbox(key="address.method").set_value("fine-tune").run()
    assert at.session_state["guess"]["answers"] == {} and at.query_params["method"] == "fine-tune"


def test_a_link_opens_the_same_pair_without_the_answers(open_page, filled_store):
    at = open_page("guess", filled_store, method="fine-tune", turn="3")
    for _ in range(4):
        at.button(key="guess.Left").click().run()
    assert (at.query_params["turn"], at.query_params["pair"]) == ("3", "5")
    link = {name: at.query_params[name] for name in at.query_params}
    there = open_page("guess", filled_store, **link)
    assert there.subheader[0].value == at.subheader[0].value and there.subheader[0].value.startswith("Pair 5 of 20")
    shown = at.session_state["guess"]["pairs"]
    assert there.session_state["guess"]["pairs"] == shown and there.session_state["guess"]["answers"] == {}
    assert not any("so far" in c.value for c in there.caption)
    for pair in shown[4:]:
        there.button(key="guess.Left" if pair.left else "guess.Right").click().run()
    assert [m.value for m in there.metric] == ["6 of 6", "10 of 10"] and there.query_params["pair"] == "end"


@pytest.mark.parametrize("named", ["end", "0", "-1", "99999", "2.5", "", "x", "\u0663"])
def test_an_address_that_names_no_pair_opens_the_first(open_page, filled_store, named):
    at = open_page("guess", filled_store, pair=named, turn=named)
    assert at.subheader[0].value.startswith("Pair 1 of 20") and "pair" not in at.query_params


def test_another_round_stays_another_round_when_the_page_is_left(open_page, filled_store):
    at = open_page("guess", filled_store)
    at.button(key="guess.Left").click().run()
    at.selectbox(key="address.method").set_value("fine-tune").run()
    assert at.query_params["turn"] == "1" and "pair" not in at.query_params
    at.button(key="guess.Right").click().run()
    at.switch_page("pages/report.py").run()
    at.switch_page("pages/guess.py").run()
    assert (at.query_params["turn"], at.query_params["pair"]) == ("1", "2")
    assert at.subheader[0].value.startswith("Pair 2 of 20")


def test_answers_count_where_they_were_given():
    asked = [Pair(n, n, n < 2, {}) for n in range(4)]
    assert right_answers(asked, {0: True, 1: False, 3: False}, slice(4)) == (2, 3)
    assert right_answers(asked, {0: True, 1: False, 3: False}, slice(2, None)) == (1, 1)
    assert right_answers(asked, {}, slice(2)) == (0, 0)
