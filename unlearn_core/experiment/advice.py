"""What fits a part of a plan, what stored runs suggest for it, and what came of suggestions that were followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unlearn_core import evaluation
from unlearn_core.evaluation import Estimate
from unlearn_core.experiment.comparison import side_of_zero
from unlearn_core.experiment.study_table import CEILING, ORIGINAL
from unlearn_core.experiment.unlearned_models import Run, request_of
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.experiment.voices import Case, Voice, voice, voices
from unlearn_core.params import BadValue
from unlearn_core.rows import pack
from unlearn_core.rum import Plan
from unlearn_core.unlearning import ALGORITHMS, Unlearner
from unlearn_core.unlearning.ends.original import Original

# Stored runs speak for a part where the mean scores of both lie no further apart than this.
ALIKE = 0.1
# A lead in ToW smaller than this is not worth running an algorithm for, however sure it is, nor is one that is smaller
# than the noise between two retrained models.
AS_GOOD = 0.02


def unfit(finished: OpenStudy, plan: Plan, rows: np.ndarray) -> dict[str, dict[str, str]]:
    """For each part of a plan on these rows that has images: the names in ALGORITHMS that cannot run on it at its place
    in the order, each with the reason, one sentence. Needs the scores that the plan cuts by.
    """
    parts = finished.refine(plan, rows)
    rum = plan.but(low=Original(), medium=Original(), high=Original()).resolve(parts)
    request = request_of(finished.store, Run(training=finished.spec.training, forget=pack(rows), unlearner=rum))
    found, each = {}, rum.rows(request)
    for number, part in enumerate(rum.parts):
        asked, found[part.name] = rum.request_of(number, each, request), {}
        for name, cls in ALGORITHMS.items():
            try:
                cls().refuse(asked)
                if cls.ensemble and number < len(rum.parts) - 1:
                    raise BadValue(f"{cls.title} gives several models that vote, so it can only come last.")
            except BadValue as error:
                found[part.name][name] = str(error)
    return found


@dataclass(frozen=True)
class Advice:
    """What stored runs suggest for a part, and what choosing the runner-up in its place would cost.

    `tow` is the suggestion's ToW with a part alike in the place of the forget set, over `tow.n` original models: what
    was forgotten from one and the same model is not independent, so of its `runs` stored runs, in `studies` studies,
    those of one model are averaged first. `left` is that of leaving the images as they are and `ceiling` that of a
    second retrained model, both means over the same models. `lead` is suggestion minus rival, on the same images of
    the same models. `seconds` are means of a run. `alike` says whether there were parts within ALIKE; else it is the
    nearest part.
    """

    unlearner: Unlearner
    tow: Estimate
    seconds: float
    left: float
    ceiling: float
    rival: Unlearner | None
    rival_tow: Estimate | None
    rival_seconds: float | None
    lead: Estimate | None
    studies: int
    alike: bool
    runs: int


class _Evidence:
    """The ToW of one way to forget, by what was forgotten from which model. A stored run counts once, however many
    studies it stands in.
    """

    def __init__(self) -> None:
        self.runs: dict[Case, dict[str, float]] = {}
        self.seconds: dict[str, float] = {}  # of each run
        self.studies: set[str] = set()

    def hear(self, study: Voice, part: str, method: str) -> None:
        """Take in what a study measured of one of its methods on a part."""
        for one in study.runs[method, part]:
            self.runs.setdefault(one.case, {}).setdefault(one.run, one.tow)
            self.seconds.setdefault(one.run, one.seconds)
            self.studies.add(study.key)

    @property
    def cases(self) -> dict[Case, float]:
        return {case: float(np.mean(list(of.values()))) for case, of in self.runs.items()}

    @property
    def tow(self) -> Estimate:
        return _over_models(self.cases)

    def less(self, other: _Evidence) -> Estimate:
        """This minus another, over the models from which both forgot the same images."""
        theirs = other.cases
        return _over_models({case: tow - theirs[case] for case, tow in self.cases.items() if case in theirs})


def _over_models(cases: dict[Case, float]) -> Estimate:
    """The mean over original models, each with the mean of what was forgotten from it."""
    each: dict[str, list[float]] = {}
    for (original, *_), value in cases.items():
        each.setdefault(original, []).append(value)
    return evaluation.over_seeds([float(np.mean(of)) for of in each.values()])


def advice(finished: OpenStudy, score: float, without: Sequence[str] = ()) -> Advice:
    """What to run on a part whose images score `score` on average: of the algorithms that stored studies ran by
    themselves, the one that gains most ToW over leaving the images as they are, on the same models; or leaving them,
    which costs nothing, where that gain is below AS_GOOD or the interval of what two retrained models read. `without`
    names algorithms that do not fit.

    A study speaks where it is one of `voices`, ran an algorithm that fits, and one of its parts is alike: mean scores
    within ALIKE. Each speaks by its nearest part. Where none does, this study speaks by its own nearest part, or the
    one with the nearest part of all where this one ran no such algorithm. Raises BadValue where this study's own set
    has no part at all.
    """
    able = [each for each in _nearest(finished, score) if _tried(each[0], without)]
    alike = [(study, part) for study, part, apart in able if apart <= ALIKE]
    if alike:
        return _advised(alike, True, without)
    own = voice(finished), _own_part(finished, score)
    if able and not _tried(own[0], without):
        own = min(able, key=lambda each: each[2])[:2]
    return _advised([own], False, without)


def _tried(study: Voice, without: Sequence[str]) -> bool:
    """Whether a study ran an algorithm by itself that fits: to leave images as they are is measured in every study, and
    alone it says nothing for itself.
    """
    barred = {Original, *(ALGORITHMS[name] for name in without)}
    return any(type(unlearner) not in barred for unlearner in study.unlearners.values())


def _advised(speaking: Sequence[tuple[Voice, str]], alike: bool, without: Sequence[str]) -> Advice:
    """What the runs of these studies on these parts suggest."""
    barred = {ALGORITHMS[name] for name in without}
    found: dict[Unlearner, _Evidence] = {}
    again = _Evidence()
    for study, part in speaking:
        again.hear(study, part, CEILING)
        for method, unlearner in study.unlearners.items():
            if type(unlearner) not in barred:
                found.setdefault(unlearner, _Evidence()).hear(study, part, method)
    left = found[Original()]
    gains = {u: own.less(left) for u, own in found.items() if own.runs}
    # Ties go to what stands first: leaving the images as they are, then the order of the studies.
    chosen = max(gains, key=lambda u: gains[u].mean)
    noise = _over_models({case: tow for case, tow in again.cases.items() if case in found[chosen].runs}).half_width
    if gains[chosen].mean < max(AS_GOOD, noise or 0.0):
        chosen = Original()
    rival = max((u for u in gains if u != chosen), key=lambda u: gains[u].mean, default=None)
    own, other = found[chosen], found.get(rival)
    lead = own.less(other) if other is not None else None
    return Advice(
        unlearner=chosen,
        tow=own.tow,
        seconds=float(np.mean(list(own.seconds.values()))),
        left=_on_cases(left, own),
        ceiling=_on_cases(again, own),
        rival=rival,
        rival_tow=other.tow if other is not None else None,
        rival_seconds=float(np.mean(list(other.seconds.values()))) if other is not None else None,
        lead=lead if lead is not None and lead.n else None,
        studies=len(own.studies),
        alike=alike,
        runs=len(own.seconds),
    )


@dataclass(frozen=True)
class Foretold:
    """A part of a plan that was run: what ran on it, what was suggested before, and the ToW that the whole plan came to
    with this part in the place of the forget set. `before` goes by the studies that were finished before this one and
    are still stored; None where none of them had a part alike. `over_idle` and `over_again` are what it came to less
    the ToW of the model left as it is, and less that of a second retrained model, seed by seed.
    """

    part: str
    ran: Unlearner
    before: Advice | None
    achieved: Estimate
    over_idle: Estimate
    over_again: Estimate

    @property
    def held(self) -> int | None:
        """Whether what was suggested held where it is what ran: 1 or -1 where the plan came closer to retraining or
        less close than expected, beyond both intervals together, 0 where they cannot be told apart; else None.
        """
        if self.before is None or type(self.before.unlearner) is not type(self.ran):
            return None
        spreads = (self.before.tow.half_width, self.achieved.half_width)
        if None in spreads:
            return None
        apart = self.achieved.mean - self.before.tow.mean
        return int(np.sign(apart)) if abs(apart) > np.hypot(*spreads) else 0

    @property
    def good(self) -> int | None:
        """Whether what it came to is good news: what was expected may have been a failure, and then came as expected.
        1 where it is closer than leaving the images as they are and not told from a second retrained model, 0 where it
        is closer than the one and further off than the other, -1 where it is further off and not told from the one,
        -2 where it is further off than leaving them is; None where it is told from neither.
        """
        if side_of_zero(self.over_idle) == -1:
            return -2
        closer, further = side_of_zero(self.over_idle) == 1, side_of_zero(self.over_again) == -1
        return closer - further if closer or further else None


@lru_cache(maxsize=8)
def foretold(finished: OpenStudy, method: str) -> tuple[Foretold, ...]:
    """For each part of a plan of a finished study, what was suggested before it ran beside what came of it; the study
    itself has no say, for it would flatter itself. Empty where the plan's parts are not those of the study, on which
    alone ToW was measured, or the scores that it cuts by are not stored.
    """
    methods = finished.table.loc[finished.table["kind"] == "plan", "method"].drop_duplicates()
    plan = dict(zip(methods, finished.spec.plans, strict=True))[method]
    if not finished.is_ready(plan.by):
        return ()
    parts, scores, found = finished.refine(plan, finished.forget), finished.memorization.scores, []
    if any(not np.array_equal(rows, finished.parts[part]) for part, rows in parts.items()):
        return ()
    barred = unfit(finished, plan, finished.forget)
    made = finished.result.manifest()["created"]
    for step in finished.run_result(method, 0).spec().unlearner.parts:
        near = _nearest(finished, float(scores[parts[step.name]].mean()))
        misfits = tuple(barred[step.name])
        earlier = [(s, p) for s, p, apart in near if apart <= ALIKE and s.created < made and _tried(s, misfits)]
        before = _advised(earlier, True, misfits) if earlier else None
        own, idle, again = (finished.part_tow(name, step.name) for name in (method, ORIGINAL, CEILING))
        found.append(
            Foretold(
                step.name,
                step.unlearner,
                before,
                evaluation.over_seeds([tow for tow in own if tow is not None]),
                evaluation.paired_difference(own, idle),
                evaluation.paired_difference(own, again),
            )
        )
    return tuple(found)


def _on_cases(of: _Evidence, asked: _Evidence) -> float:
    """The mean ToW of one way to forget where another one was run."""
    return _over_models({case: tow for case, tow in of.cases.items() if case in asked.runs}).mean


def _nearest(finished: OpenStudy, score: float) -> Iterator[tuple[Voice, str, float]]:
    """Studies whose runs may speak for this one, each with its part nearest to this score and how far that is."""
    for study in voices(finished):
        apart = {part: abs(mean - score) for part, mean in study.means.items()}
        if apart:
            part = min(apart, key=apart.get)
            yield study, part, apart[part]


def _own_part(finished: OpenStudy, score: float) -> str:
    means = {part: abs(about["memorization"] - score) for part, about in finished.summary["parts"].items()}
    if not means:
        raise BadValue("The parts of this study's own set are empty, so nothing can be suggested.")
    return min(means, key=means.get)
