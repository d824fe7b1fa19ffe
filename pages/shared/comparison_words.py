"""What a comparison of methods shows, in sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pages.shared import numbers
from pages.shared.text import escape
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment import measured_groups, other_runs, telling
from unlearn_core.experiment.advice import Foretold
from unlearn_core.experiment.measured_groups import third
from unlearn_core.experiment.recorded import where_timed
from unlearn_core.unlearning import ALGORITHMS

# Beside marks that go by the noise floor: why "Third by third" and the report may say otherwise of the same accuracy.
TWO_TESTS = (
    "That is Welch's test of two means; “Third by third” and the report ask more of an accuracy, that the whole "
    "interval of its paired difference lies beyond a margin."
)

# Beside whatever one seed reads, for that nothing is found by it is no success.
ONE_SEED = "One seed tells nothing of how another would read."


def yardstick(study) -> str:
    """Why a run may have taken longer than retraining did, and yet be the lesser work."""
    where = where_timed(study.store, study.key).replace("it was", "this study was")
    return (
        "Models made side by side share the seconds of their batch, and batches differ in size: seconds say what it "
        f"took {where}. Beside retraining go by work, the images put through a backward pass."
    )


def title_of(study, method: str) -> str:
    """The name of a method on screen, not yet escaped."""
    return study.means("group_tow")["title"][method]


def titles(study, methods: Iterable[str]) -> dict[str, str]:
    """The names of several methods on screen, in order."""
    return {method: title_of(study, method) for method in methods}


def marked(study, methods: Iterable[str]) -> dict[str, str]:
    """The names of methods that stand beside each other; one with the very same runs as another says so."""
    same = core.twins(study)
    return {
        method: title + (f" = {title_of(study, same[method])}" if method in same else "")
        for method, title in titles(study, methods).items()
    }


def same_runs(study) -> str:
    """Which methods are one and the same, and why; empty where none are."""
    kinds, said = study.means("group_tow")["kind"], []
    for method, other in core.twins(study).items():
        why = "their algorithms, settings and images are the same"
        if (kinds[other], kinds[method]) == ("plan", "control"):
            why = "the plan runs one algorithm with the same settings on every part, which is what that control is"
        names = [f"**{escape(title_of(study, m))}**" for m in (method, other)]
        said.append(f"{names[0]} and {names[1]} are the very same runs: {why}. They read alike everywhere.")
    return "  \n".join(said)


def closest(study) -> str:
    """Which method came closest to retraining, and whether that can be told from the ceiling."""
    best, ceiling = core.ranked(study, "group_tow").iloc[0], study.means("group_tow").loc[core.CEILING]
    seeds = f"{study.spec.seeds} seed{'s' if study.spec.seeds > 1 else ''}"
    told = {True: "distinguishable from", False: "not distinguishable from", None: "beside"}
    equal = len(equally_near(study, "group_tow")) - 1
    beside = f", and {equal} other{'s' if equal > 1 else ''} just as close," if equal else ""
    idle = study.means("group_tow").loc[core.ORIGINAL, "mean"] >= best["mean"]
    but = ", but no closer than leaving the model as it is" if idle else ""
    came = "is the only method here" if len(core.ranked(study, "group_tow")) == 1 else "came closest to retraining"
    return (
        f"**{escape(best['title'])}**{beside} {came}{but}: group ToW "
        f"{numbers.spread(best['mean'], best['half_width'])} over {seeds}, {told[best['distinguishable']]} the "
        f"{numbers.spread(ceiling['mean'], ceiling['half_width'])} of one retrained model against another."
        f"{f' {ONE_SEED}' * (study.spec.seeds == 1)}"
    )


def equally_near(study, metric: str) -> list[str]:
    """The titles of the methods with the best mean of a metric; more than one where they tie. One and the same runs
    under two names count once.
    """
    ranked = core.ranked(study, metric)
    goal = study.means(metric).loc[core.RETRAINED, "mean"]
    apart = (ranked["mean"].astype(float) - goal).abs()
    near, same = ranked.index[apart <= apart.iloc[0] + 1e-9], core.twins(study)
    return [ranked.at[name, "title"] for name in near if same.get(name) not in near]


def nearest(study, metric: str) -> str:
    """The method nearest to retraining, or how many are equally near."""
    titles = equally_near(study, metric)
    return titles[0] if len(titles) == 1 else f"one of {len(titles)} equal methods"


def known_anyway(study) -> str:
    """How much of the easy and of the hard third a retrained model gets right without ever having seen it."""
    means = {p: study.means(f"{p}_accuracy").loc[core.RETRAINED, "mean"] for p, r in study.parts.items() if len(r)}
    shares = " and ".join(f"{means[p]:.0%} of the {third(p)}" for p in _outer(means))
    return f"Retrained models, which never saw these images, get {shares} right."


def thirds(study) -> str:
    """What is measured on, and how the parts of the plans lie to it; a sentence of several plans stands once."""
    kinds = study.means("group_tow")["kind"]
    plans = {p: measured_groups.beside_the_plan(study, p) for p in kinds.index[kinds == "plan"]}
    said = [measured_groups.sizes(study)]
    if len(plans) == 1:
        return " ".join(filter(None, [*said, *plans.values()]))
    for sentence in dict.fromkeys(filter(None, plans.values())):
        names = ", ".join(escape(title_of(study, p)) for p, own in plans.items() if own == sentence)
        said.append(f"{names}: {sentence[0].lower()}{sentence[1:]}")
    return " ".join(said)


def how_told(study) -> tuple[str, str]:
    """What grey means where an accuracy on a third is told from retraining, with where nothing can be; and by what."""
    margins = {p: telling.beside(study, core.RETRAINED, f"{p}_accuracy").margin for p in measured_groups.filled(study)}
    if None in margins.values():
        return "Grey: from one seed nothing can be told.", ""
    each = ", ".join(f"{p} {numbers.spread(margin, None)}" for p, margin in margins.items())
    how = (
        "In colour: off retraining with the whole 95 % interval of its difference, seed by seed, beyond the margin, as "
        f"in the report. Grey: within it, or not to be told. Margins: {each}. {telling.RULE}"
    )
    told = "Grey: not told from retraining."
    if blind := telling.accuracy_blind(study):
        few = f"{' and '.join(blind)} third{'s' if len(blind) > 1 else ''}"
        told += f" On the {few} not even the original lies off retraining, so grey proves nothing there."
    return told, how


def plan_verdict(study, found: core.Versus) -> str:
    """One plan, step by step, against the best single algorithm: what the difference shows, of this plan alone."""
    plan, rival = (f"**{escape(title_of(study, m))}**" for m in (found.first, found.second))
    by = numbers.estimate(found.difference, signed=True)
    parts = measured_groups.own_parts(study, found.first)
    each = (f"{part.name if len(parts) > 1 else 'all images'}: {escape(part.unlearner.title)}" for part in parts)
    ran = ", then ".join(each)
    says = f"The plan {plan} ({ran}) against {rival}, the best single algorithm, on the same seeds: {by} in group ToW"
    match core.side_of_zero(found.difference):
        case 1:
            return f"{says}. This plan is closer on this forget set, as the authors of RUM report for theirs."
        case -1:
            return (
                f"{says}. This plan is further away; the authors of RUM report an advantage for their plans and sets."
            )
        case 0:
            few = f"not distinguishable with {found.difference.n} seeds"
            return f"{says}, {few}; there may be an advantage that so few do not show."
    alone = found.difference.half_width is None
    few = "a single seed has no interval" if alone else "two seeds that agree say nothing of others"
    return f"{says}; {few}, so this decides nothing."


def other_plans(study) -> str:
    """What other plans of the same images read, so that nobody takes one plan for all of RUM."""
    plans, elsewhere = other_runs.other_plans(study), other_runs.plans_elsewhere(study)
    groups = ((elsewhere[elsewhere["tried"] == tried], where) for tried, where in ELSEWHERE.items())
    said = [_elsewhere(study, lines, where) for lines, where in groups if len(lines)]
    if len(plans):
        best, count = plans.iloc[0], len(plans)
        many = f"{count} other plans of these images are" if count > 1 else "1 other plan of these images is"
        said.insert(
            0,
            f"{many} stored and can be picked for the trade-off{', the closest' * (count > 1)}: "
            f"**{escape(best['title'])}**, group ToW {numbers.spread(best['mean'], best['half_width'])}.",
        )
    none = "No other plan of these images was run on the same models, so this says nothing of other plans."
    return " ".join(said) or none


# Where plans are that cannot stand beside a study's own.
ELSEWHERE = {
    True: "ranked under “Try everything on this set” on Plan",
    False: "in studies of fewer seeds",
}


def _elsewhere(study, plans, where: str) -> str:
    count, best, most = len(plans), plans.iloc[0], plans["seeds"].max()
    on = "these models" if most == study.spec.seeds else f"{most} of these {study.spec.seeds} models"
    which = "the closest reads" if count > 1 else "it reads"
    return (
        f"{count} other plan{'s' * (count > 1)} of these images ran on {on} and {'are' if count > 1 else 'is'} "
        f"{where}: {which} group ToW {numbers.spread(best['mean'], best['half_width'])}."
    )


def expected(found: Foretold) -> dict[str, str]:
    """A part of a plan as a line: what earlier runs suggested and read, what ran, what it came to, whether that is
    within the interval of what they read, and whether it is good news: they may have foretold a failure.
    """
    line = {"Part": found.part, "Suggested before": "nothing", "Expected": "", "It ran": found.ran.title}
    line |= {"Came to": numbers.estimate(found.achieved), "Against earlier runs": "there are none on such a part"}
    line["Is that good"] = {
        1: "yes: closer than doing nothing, not told from retraining again",
        0: "in part: closer than doing nothing, not as close as retraining again",
        -1: "no: no closer than doing nothing, and not as close as retraining again",
        -2: "no: further from retraining than doing nothing",
        None: "cannot be told from doing nothing, nor from retraining again",
    }[found.good]
    if (before := found.before) is None:
        return line
    line |= {"Suggested before": before.unlearner.title, "Expected": numbers.estimate(before.tow)}
    if type(before.unlearner) is not type(found.ran):
        return line | {"Against earlier runs": "another algorithm ran"}
    held = {1: "closer than they were", -1: "less close than they were", 0: "as they were, within the spread"}
    return line | {"Against earlier runs": held.get(found.held, "cannot be told from so few seeds")}


def why_group_tow(study) -> str:
    """Why group ToW is the headline, with the method for which it matters most."""
    tow, group = study.means("tow"), study.means("group_tow")
    name = (tow["mean"] - group["mean"]).drop(core.RETRAINED).astype(float).idxmax()
    reason = "The headline is group ToW because in ToW forgetting one third too much and another too little cancels"
    if tow.loc[name, "mean"] - group.loc[name, "mean"] < 0.0005:
        return f"{reason}; here the two agree."
    return (
        f"{reason}: {escape(title_of(study, name))} reads {numbers.spread(tow.loc[name, 'mean'], None)} there and "
        f"{numbers.spread(group.loc[name, 'mean'], None)} third by third."
    )


@lru_cache(maxsize=8)  # a finished study never changes
def relabelling(study) -> str:
    """How far relabelling and doing nothing are from retraining on the easy and on the hard third."""
    relabels = [a.title for a in ALGORITHMS.values() if a.group == "relabel"]
    singles = study.table[(study.table["kind"] == "single") & study.table["title"].isin(relabels)]
    said = [f"{escape(title_of(study, m))} {_ends(study, m)}" for m in dict.fromkeys(singles["method"])]
    said.append(f"leaving the model as it is {_ends(study, core.ORIGINAL)}")
    return f"Accuracy against retraining: {'; '.join(said)}."


def _ends(study, method: str) -> str:
    gaps = core.part_gaps(study, method)
    return ", ".join(f"{numbers.estimate(gaps[p], signed=True)} on the {third(p)}" for p in _outer(gaps))


def _outer(parts: Iterable[str]) -> list[str]:
    """The easy and the hard third; a set of so few images that it has neither has one in the middle."""
    return [part for part in ("low", "high") if part in parts] or list(parts)
