"""What the paper's study shows of the paper's findings: each as differences over seeds that should lie above 0.

A finding is split into lines, one an algorithm (or a score, or a level), and every line into its difference on the same
seeds; only memorization, of which there is one score an image, is compared over images. Whether a finding is reproduced
is read off the interval alone, the same way for each.

Source: Zhao et al. (2024), arXiv:2406.01257, and Zhao and Triantafillou (2024), arXiv:2410.16516, for the findings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import unlearn_core.experiment.paper_lines as paper_lines
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment.comparison import side_of_zero
from unlearn_core.experiment.paper import STUDIES
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.result import Result
from unlearn_core.store import Store

VERDICTS = ("reproduced", "within noise", "not reproduced", "no interval", "not measured")


@dataclass(frozen=True)
class Finding:
    """What is said, by a short name and in words, and by whom; what is measured for it, on which steps, and how."""

    name: str
    title: str
    said_by: str
    measured: str
    steps: tuple[str, ...]
    lines: Callable[..., dict[str, Estimate]]


@dataclass(frozen=True)
class Trend:
    """A finding of the paper and what stands here: `lines` are differences over seeds, above 0 where it holds."""

    name: str
    title: str
    measured: str
    lines: dict[str, Estimate]

    def verdicts(self) -> dict[str, str]:
        """One of VERDICTS for each line."""
        return {name: verdict(line) for name, line in self.lines.items()}


def verdict(difference: Estimate) -> str:
    """Whether a difference that should lie above 0 does: "reproduced" or "not reproduced" where its whole 95 % interval
    lies on one side, else "within noise".
    """
    if difference.mean is None:
        return "not measured"
    sides = {1: "reproduced", 0: "within noise", -1: "not reproduced", None: "no interval"}
    return sides[side_of_zero(difference)]


def trends(store: Store, results: Mapping[str, Result]) -> list[Trend]:
    """The findings, from the finished steps of paper.steps by name; without lines where one is missing. A finding gets
    its studies opened, and of other steps the result.
    """
    opened = {name: OpenStudy(store, result) if name in STUDIES else result for name, result in results.items()}
    found = []
    for finding in FINDINGS:
        there = all(name in opened for name in finding.steps)
        lines = finding.lines(*(opened[name] for name in finding.steps)) if there else {}
        found.append(Trend(finding.name, finding.title, finding.measured, lines))
    return found


# Who says so. We know the papers' results by report alone, and what nobody reports is a question of our own.
REPORTED = "Zhao et al. 2024, by report"
SEQUEL = "Zhao and Triantafillou 2024, by report"
FOLLOW_UP = "a follow-up on transformers, arXiv:2602.20114, by report"
OURS = "a question of our own"
_ENTANGLED = ("entanglement low", "entanglement high")
_MEMORIZED = ("memorization low", "memorization high")
_ALONE = ("one algorithm", "mix")
FINDINGS = (
    Finding(
        "entanglement",
        "The more entangled the forget set, the further from retraining",
        REPORTED,
        "ToW at low less ToW at high entanglement",
        _ENTANGLED,
        paper_lines.falls,
    ),
    Finding(
        "entanglement-steps",
        "Closeness falls with each level of entanglement, from low to medium and from medium to high",
        REPORTED,
        "ToW at one level less ToW at the next",
        paper_lines.LEVELS,
        paper_lines.step_by_step,
    ),
    Finding(
        "relabelling-entangled",
        "Relabelling suffers more from entanglement than the others on average",
        OURS,
        "ToW at low less ToW at high entanglement, less the mean of the same over the algorithms that do not relabel",
        _ENTANGLED,
        paper_lines.relabelling_falls_more,
    ),
    Finding(
        "memorization",
        "The more memorized the forget set, the further from retraining, for most algorithms",
        REPORTED,
        "ToW at low less ToW at high memorization",
        _MEMORIZED,
        paper_lines.falls_but_for_relabelling,
    ),
    Finding(
        "relabelling",
        "Relabelling goes the other way: poor on the least memorized images, strong on the most",
        REPORTED,
        "ToW at high less ToW at low memorization",
        _MEMORIZED,
        paper_lines.rises_with_relabelling,
    ),
    Finding(
        "doing-nothing",
        "Doing nothing is nearer to retraining on the least memorized images than on the most",
        OURS,
        "ToW of the original at low less at high memorization",
        _MEMORIZED,
        paper_lines.untouched,
    ),
    Finding(
        "together",
        "Memorization rises with entanglement",
        REPORTED,
        "mean memorization of one level of entanglement less that of the level below, with an interval over the images "
        "of the two sets (Welch), as if they were drawn from many such",
        paper_lines.LEVELS,
        paper_lines.memorized,
    ),
    Finding(
        "random",
        "What sets algorithms apart does not show on random images",
        REPORTED,
        "standard deviation of ToW over the algorithms on a chosen set less the same on random images, which is how we "
        "read it",
        ("random", *paper_lines.CHOSEN),
        paper_lines.more_alike_on_random,
    ),
    Finding(
        "refining",
        "Refining helps: one algorithm part by part is closer than the same on the whole set",
        REPORTED,
        "ToW of RUM with one algorithm less ToW of the algorithm",
        _ALONE,
        paper_lines.one_algorithm(paper_lines.without_parts),
    ),
    Finding(
        "alike",
        "What helps is that parts are alike, not that there are parts",
        REPORTED,
        "ToW of RUM with one algorithm less ToW of the same with parts drawn at random",
        _ALONE,
        paper_lines.one_algorithm(paper_lines.control("-shuffle")),
    ),
    Finding(
        "longer",
        "What helps is that there are parts, not that there are more epochs",
        OURS,
        "ToW of RUM with one algorithm less ToW of the algorithm on the whole set for as many epochs as all parts take",
        _ALONE,
        paper_lines.one_algorithm(paper_lines.control("-vanilla-")),
    ),
    Finding(
        "own-algorithm",
        "An algorithm of its own for each part comes closer than the best single one for all parts",
        OURS,
        "ToW of RUM less the best ToW of RUM with one algorithm, chosen on the same seeds, which flatters it",
        ("mix", "one algorithm"),
        paper_lines.best,
    ),
    Finding(
        "order",
        "From the least memorized third to the most is the closest order",
        OURS,
        "ToW of RUM from low to high less ToW of RUM in another order",
        ("mix", "orders"),
        paper_lines.low_to_high,
    ),
    Finding(
        "searched",
        "With settings searched for each part, RUM is closer than the best single algorithm with its settings searched",
        OURS,
        "group ToW of each of the best plans found less that of the best single algorithm found; both were chosen on "
        "models that are not reported",
        ("searched plans",),
        paper_lines.searched,
    ),
    Finding(
        "cheaper-scores",
        "Cheaper scores refine as well as memorization",
        SEQUEL,
        "group ToW of RUM by the score less that of RUM by memorization, plus the margin within which the two count as "
        "equal: what a second retrained model falls short of 1",
        ("cheaper scores", "mix"),
        paper_lines.as_good_by_proxy,
    ),
    Finding(
        "attack-counted",
        "SalUn is flattered by ToW: with the attack counted it loses more than NegGrad+",
        FOLLOW_UP,
        "ToW less ToW-MIA, of SalUn less that of NegGrad+",
        ("mix",),
        paper_lines.flattered,
    ),
    Finding(
        "attack-refined",
        "With the attack counted, refining helps NegGrad+, and the other algorithms less",
        FOLLOW_UP,
        "ToW-MIA of RUM with NegGrad+ alone less ToW-MIA of NegGrad+, and how much more that is than the same for "
        "another algorithm; parts by memorization, where the follow-up has cheaper scores",
        _ALONE,
        paper_lines.attack_refined,
    ),
    Finding(
        "released-code",
        "Errors of the published code cost SalUn closeness: the mask the wrong way round, and true labels in place of "
        "random ones",
        OURS,
        "ToW of SalUn as its paper means it less ToW with the error",
        ("as released",),
        paper_lines.released,
    ),
    Finding(
        "other-set",
        "An error of the published code flatters relabelling on the least memorized images: of equal scores it forgets "
        "others than those on which it is measured",
        OURS,
        "ToW on another set of the least memorized images than the forgotten one, less ToW on the forgotten one",
        ("memorization low", "other low set"),
        paper_lines.on_another_set,
    ),
)
