"""RUM: how a forget set is cut, what each step is asked, and that a plan of one step is that step."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core.params import BadValue, build, key, param, plain, spec
from unlearn_core.rows import pack, unpack
from unlearn_core.rum import PARTS, Part, Plan, Rum, part_seed, same_everywhere, shuffled, vanilla
from unlearn_core.unlearning import FineTune, NegGrad, RandomLabel, Retrain, Unlearner
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.relabel.salun import SalUn
from unlearn_core.unlearning.request import Fresh

LOW, MEDIUM, HIGH = np.arange(10, 20), np.arange(20, 35), np.arange(35, 50)  # of tiny_request's rows 10 to 49
SEEN = []


@spec
class Recorder(Unlearner):
    """Remembers what it is asked, and changes nothing."""

    title = "Recorder"
    group = "tests"
    tag: str = param("", help="who asks")

    def run(self, model, original, request, cost):
        SEEN.append((self.tag, request))
        cost.steps = 3
        return model


@pytest.fixture(autouse=True)
def fresh():
    SEEN.clear()


def rum(*unlearners, sets=(LOW, MEDIUM, HIGH), names=PARTS, **options):
    """A Rum that runs these algorithms on these rows."""
    parts = [Part(name=n, rows=pack(r), unlearner=u) for n, r, u in zip(names, sets, unlearners, strict=True)]
    return Rum(parts=tuple(parts), **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def same(a, b):
    return torch.equal(weights(a), weights(b))


# -- what each step is asked -------------------------------------------------------------------------------------------


def test_later_parts_stay_until_it_is_their_turn(tiny_model, tiny_request):
    """|R_1| = |D| - 10, |R_2| = |D| - 25, |R_3| = |D| - 40: R_i is all rows without S_1 to S_i."""
    rum(*(Recorder(tag=t) for t in PARTS))(tiny_model, tiny_request())
    assert [tag for tag, _ in SEEN] == ["low", "medium", "high"]
    gone = set()
    for (_, request), part, left in zip(SEEN, (LOW, MEDIUM, HIGH), (290, 275, 260), strict=True):
        gone |= set(part)
        assert request.forget.tolist() == part.tolist()
        assert request.retain.tolist() == [r for r in range(300) if r not in gone] and len(request.retain) == left


def test_all_parts_can_leave_at_once(tiny_model, tiny_request):
    rum(*[Recorder()] * 3, exclude_all=True)(tiny_model, tiny_request())
    for (_, request), part in zip(SEEN, (LOW, MEDIUM, HIGH), strict=True):
        assert request.forget.tolist() == part.tolist()
        assert request.retain.tolist() == [*range(10), *range(50, 300)]


def test_rows_of_an_earlier_request_stay_out(tiny_model, tiny_request):
    """Rows that are neither to be forgotten nor kept come back in no step."""
    rum(*[Recorder()] * 3)(tiny_model, tiny_request(retain=np.arange(100, 300)))
    assert [len(r.retain) for _, r in SEEN] == [230, 215, 200]
    assert not any(set(r.retain) & {*range(10), *range(50, 100)} for _, r in SEEN)


def test_a_step_starts_from_the_step_before(tiny_model, tiny_request):
    """Written out: three calls, each on the result of the last."""
    steps = (FineTune(epochs=1, lr=0.1), RandomLabel(epochs=1, lr=0.1), NegGrad(epochs=1, lr=0.1))
    model, gone = tiny_model, np.zeros(0, int)
    for i, (step, part) in enumerate(zip(steps, (LOW, MEDIUM, HIGH), strict=True)):
        gone = np.concatenate([gone, part])
        request = tiny_request(forget=part, retain=np.setdiff1d(np.arange(300), gone), seed=part_seed(4, i))
        model = step(model, request).model
    found = rum(*steps)(tiny_model, tiny_request(seed=4)).model
    for a, b in zip(found.parameters(), model.parameters(), strict=True):  # a plan's steps go in stacks: up to rounding
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_no_two_parts_draw_the_same(tiny_model, tiny_request):
    """Parts of one size would else be given one and the same sequence of random labels."""
    rum(*[Recorder()] * 3)(tiny_model, tiny_request(seed=4))
    assert [r.seed for _, r in SEEN][0] == 4 and len({r.seed for _, r in SEEN}) == 3


def test_the_order_changes_the_outcome(tiny_model, tiny_request):
    steps = (FineTune(epochs=1, lr=0.1), RandomLabel(epochs=1, lr=0.1), NegGrad(epochs=1, lr=0.1))
    forwards = rum(*steps)
    backwards = rum(*steps[::-1], sets=(HIGH, MEDIUM, LOW), names=PARTS[::-1])
    assert key(forwards) != key(backwards)
    a, b = (r(tiny_model, tiny_request()) for r in (forwards, backwards))
    assert not same(a.model, b.model)
    assert a.cost.retain_gradients > b.cost.retain_gradients  # fine-tuning sees fewer images when it comes last


def test_costs_add_up_and_each_step_is_announced(tiny_model, tiny_request):
    after, told = [], []
    request = tiny_request(
        after=lambda name, model: after.append((name, weights(model))), tell=lambda *w: told.append(w)
    )
    steps = (Original(), FineTune(epochs=1, batch=32, lr=0.1), SalUn(epochs=1, batch=32, lr=0.1))
    unlearned = rum(*steps)(tiny_model, request)
    cost = unlearned.cost
    # R_2 has 275 rows: 9 batches. SalUn runs over 260 + 15 rows: 9 batches, and over its 15 once more for the mask.
    assert (cost.steps, cost.retain_gradients, cost.forget_gradients) == (18, 275 + 260, 15 + 15)
    assert [name for name, _ in after] == list(PARTS)
    assert torch.equal(after[0][1], weights(tiny_model)) and torch.equal(after[2][1], weights(unlearned.model))
    assert not torch.equal(after[1][1], after[2][1])
    assert {stage for stage, _, _ in told} == {"unlearn medium", "unlearn high"}
    shares = [done / total for _, done, total in told]
    assert shares == sorted(shares) and shares[-1] == 1 and shares[0] > 1 / 3


def test_a_diverging_step_is_numbered_within_the_whole(tiny_model, tiny_request):
    wild = NegGrad(lr=10.0, epochs=200, batch=8, momentum=0.999)
    alone = wild(tiny_model, tiny_request(forget=MEDIUM)).cost.diverged_at
    cost = rum(Recorder(), wild, Original())(tiny_model, tiny_request()).cost
    assert alone and cost.diverged_at == 3 + alone


# -- identities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 3])
def test_leaving_all_parts_as_they_are_is_the_original(parts, tiny_model, tiny_request):
    sets = (np.arange(10, 50),) if parts == 1 else (LOW, MEDIUM, HIGH)
    unlearned = rum(*[Original()] * parts, sets=sets, names=PARTS[:parts])(tiny_model, tiny_request())
    assert same(unlearned.model, tiny_model) and unlearned.cost.steps == 0
    assert unlearned.model is not tiny_model and not unlearned.model.training


def test_retraining_last_is_retraining(tiny_model, tiny_request):
    """Whatever came before, the last step's fresh model saw only what is to be kept."""
    rows = []

    def recipe(kept, seeds, tell):
        rows.append(kept)
        return [Fresh(tiny_model, 1, len(kept)) for _ in seeds]

    request = tiny_request(recipe=recipe)
    rum(Original(), FineTune(epochs=1), Retrain())(tiny_model, request)
    (kept,) = rows
    assert kept.tolist() == request.retain.tolist()


def test_a_plan_needs_what_its_parts_need():
    assert rum(*[Original()] * 3).needs == ()
    assert rum(Original(), FineTune(), Original()).needs == ("labels", "retain")
    assert set(rum(Retrain(), FineTune(), NegGrad()).needs) == {"labels", "retain", "forget", "recipe"}


# -- plans that cannot run ---------------------------------------------------------------------------------------------

BROKEN = {
    "a row is missing": ((LOW, MEDIUM, HIGH[:-1]), "do not cover the forget set exactly"),
    "a row too many": ((LOW, MEDIUM, np.append(HIGH, 50)), "do not cover the forget set exactly"),
    "another row": ((LOW, MEDIUM, np.append(HIGH[:-1], 60)), "do not cover the forget set exactly"),
    "a row twice": ((LOW, MEDIUM, np.append(HIGH, 10)), "overlap"),
    "a row that does not exist": ((LOW, MEDIUM, np.append(HIGH, 300)), "Row 300 does not exist"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_parts_are_exactly_the_forget_set(case, tiny_model, tiny_request):
    sets, says = BROKEN[case]
    with pytest.raises(BadValue, match=says):
        rum(*[Recorder()] * 3, sets=sets)(tiny_model, tiny_request())
    assert SEEN == []  # nothing ran


def test_a_plan_has_parts_and_none_is_a_plan():
    with pytest.raises(BadValue, match="at least one part"):
        Rum(parts=())
    with pytest.raises(BadValue, match="at least one part"):
        Rum(parts=(FineTune(),))
    with pytest.raises(BadValue, match="cannot be a RUM plan itself"):
        rum(rum(Original(), sets=(LOW,), names=("a",)), sets=(LOW,), names=("a",))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"order": ("low", "high")}, "each once"),
        ({"order": ("low", "low", "high")}, "each once"),
        ({"order": ("low", "medium", "top")}, "each once"),
        ({"order": (1, 2, 3)}, "each once"),
        ({"low_cut": 0.8, "high_cut": 0.2}, "The low cut lies above the high cut"),
        ({"low_cut": -0.1}, "between 0 and 1"),
        ({"high_cut": 1.5}, "between 0 and 1"),
        ({"by": "colour"}, "^By must be one of"),
        ({"low": Plan()}, "^Low must be of the kind Unlearner"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes, says):
    with pytest.raises(BadValue, match=says):
        Plan(**changes)


# -- refining ----------------------------------------------------------------------------------------------------------

ROWS = np.array([3, 5, 8, 13, 21, 34, 55, 89, 144])


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=9, max_size=9), st.booleans(), st.integers(0, 9))
def test_parts_are_a_partition(scores, mixed, seed):
    plan = Plan(control="shuffle" if mixed else "none", seed=seed)
    parts = plan.refine(ROWS, np.array(scores))
    assert list(parts) == list(PARTS) and [len(p) for p in parts.values()] == [3, 3, 3]
    assert sorted(np.concatenate(list(parts.values()))) == ROWS.tolist()
    assert all((np.diff(p) > 0).all() for p in parts.values())


def test_parts_go_by_score_and_then_by_row():
    scores = np.array([0, 0, 0, 0, 0, 1, 0.5, 0.5, 0.2])
    parts = Plan().refine(ROWS, scores)
    assert [p.tolist() for p in parts.values()] == [[3, 5, 8], [13, 21, 144], [34, 55, 89]]
    deck = np.random.default_rng(0).permutation(9)  # the order in which rows are named does not matter
    again = Plan().refine(ROWS[deck], scores[deck])
    assert all((again[p] == parts[p]).all() for p in PARTS)


def test_parts_do_not_depend_on_the_algorithms():
    scores = np.random.default_rng(1).integers(0, 3, 9) / 2
    a, b = (
        Plan().refine(ROWS, scores),
        Plan(low=SalUn(), high=NegGrad(), order=("high", "low", "medium")).refine(ROWS, scores),
    )
    assert all((a[p] == b[p]).all() for p in PARTS)


def test_cuts_as_shares_or_as_scores():
    scores = np.arange(9) / 8
    by_share = Plan(low_cut=0.2, high_cut=0.5).refine(ROWS, scores)
    assert [len(p) for p in by_share.values()] == [2, 2, 5]
    by_score = Plan(cut_by="value", low_cut=0.25, high_cut=0.75).refine(ROWS, scores)
    assert [scores[np.isin(ROWS, p)].tolist() for p in by_score.values()] == [
        [0, 0.125],
        [0.25, 0.375, 0.5, 0.625],
        [0.75, 0.875, 1],
    ]


@pytest.mark.parametrize(("low", "high", "sizes"), [(0, 0, [0, 0, 9]), (0, 1, [0, 9, 0]), (1, 1, [9, 0, 0])])
def test_a_part_may_be_empty_and_is_then_left_out(low, high, sizes):
    plan = Plan(low_cut=low, high_cut=high)
    parts = plan.refine(ROWS, np.arange(9.0))
    assert [len(p) for p in parts.values()] == sizes
    (step,) = plan.resolve(parts).parts
    assert unpack(step.rows, 200).tolist() == ROWS.tolist()


def test_few_rows_are_cut_all_the_same():
    for n in range(1, 6):
        parts = Plan().refine(ROWS[:n], np.arange(float(n)))
        assert sum(len(p) for p in parts.values()) == n


def test_parts_are_named_by_what_is_measured_of_them():
    """The scores say which rows lie together; low is the part with the smallest measure."""
    sizes = {3: 0.9, 13: 0.1, 55: 0.5}
    parts = Plan().refine(ROWS, np.arange(9.0), measure=lambda rows: sizes[rows.min()])
    assert [p.min() for p in parts.values()] == [13, 55, 3]


def test_a_shuffle_keeps_the_sizes_and_is_the_same_for_everybody():
    plan = Plan(low_cut=0.2, high_cut=0.5)
    mixed, scores = shuffled(plan), np.arange(9.0)
    parts, again = mixed.refine(ROWS, scores), mixed.refine(ROWS[::-1], scores[::-1])
    assert [len(p) for p in parts.values()] == [2, 2, 5]
    assert all((parts[p] == again[p]).all() for p in PARTS)
    assert any((parts[p] != plan.refine(ROWS, scores)[p]).any() for p in PARTS)
    others = [mixed.but(seed=s).refine(ROWS, scores)["high"].tolist() for s in range(5)]
    assert len({tuple(o) for o in others}) > 1
    # it does not look at the scores at all, but for the sizes
    assert (mixed.refine(ROWS, -scores)["low"] == parts["low"]).all()


def test_the_permutation_of_a_shuffle_is_kept_with_the_run():
    """The resolved plan names its rows, so the control can be read and repeated from its spec alone."""
    mixed = shuffled(Plan())
    resolved = mixed.resolve(mixed.refine(ROWS, np.arange(9.0)))
    again = build(json.loads(json.dumps(plain(resolved))))
    assert again == resolved and [p.rows for p in again.parts] == [p.rows for p in resolved.parts]
    assert sorted(np.concatenate([unpack(p.rows, 200) for p in again.parts])) == ROWS.tolist()


def test_a_plan_runs_in_its_order():
    plan = Plan(low=Original(), medium=FineTune(), high=SalUn(), order=("high", "low", "medium"), exclude_all=True)
    resolved = plan.resolve(plan.refine(ROWS, np.arange(9.0)))
    assert [(p.name, p.rows, type(p.unlearner)) for p in resolved.parts] == [
        ("high", "55,89,144", SalUn),
        ("low", "3,5,8", Original),
        ("medium", "13,21,34", FineTune),
    ]
    assert resolved.exclude_all


# -- controls ----------------------------------------------------------------------------------------------------------


def test_controls_change_one_thing_each():
    plan = Plan(name="Mine", low=Original(), medium=FineTune(), high=SalUn())
    assert shuffled(plan).but(name="Mine", control="none") == plan
    same_algorithm = same_everywhere(plan, SalUn(lr=0.2))
    assert {same_algorithm.low, same_algorithm.medium, same_algorithm.high} == {SalUn(lr=0.2)}
    assert same_algorithm.but(name="Mine", low=plan.low, medium=plan.medium, high=plan.high) == plan
    assert vanilla(FineTune(epochs=4), 3) == FineTune(epochs=12)
    assert vanilla(FineTune(epochs=100), 3) == FineTune(epochs=200)  # the most there are
    assert vanilla(Original(), 3) == Original()
    assert vanilla(NegGrad(epochs=4), 3) == NegGrad(
        epochs=4
    )  # its passes over the parts add up to those over the whole


def test_ties_that_a_cut_goes_through_are_counted():
    rows, scores = np.arange(10, 19), np.array([0.0, 0.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.2])
    for plan, told in (
        (Plan(), [{"medium": 2, "high": 3}]),  # 0 0 0.2 | 0.5 1 1 | 1 1 1
        (Plan(low_cut=1 / 9, high_cut=5 / 9), [{"low": 1, "medium": 1}, {"medium": 1, "high": 4}]),
        (Plan(low_cut=2 / 9, high_cut=4 / 9), []),
        (Plan(cut_by="value", low_cut=0.5, high_cut=1.0), []),
        (Plan(control="shuffle"), []),
    ):
        assert plan.ties(rows, scores, plan.refine(rows, scores)) == told
