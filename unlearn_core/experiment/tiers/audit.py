"""An audit of one way of forgetting, as deep as its tier says; each tier holds those before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import pandas as pd

import unlearn_core.experiment.tiers.from_references as from_references
import unlearn_core.experiment.tiers.others as others
import unlearn_core.experiment.tiers.single_images as single_images
from unlearn_core.device import numerics
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.spread import fulfil_all
from unlearn_core.experiment.tiers.distribution import Distribution
from unlearn_core.experiment.tiers.instant import Instant, Relearned, seen_of
from unlearn_core.experiment.tiers.inversion import Inversion
from unlearn_core.experiment.tiers.overview import overview
from unlearn_core.experiment.tiers.per_example import FEWEST, Observed, PerExample
from unlearn_core.experiment.tiers.subject import Subject, check, models
from unlearn_core.params import BadField, BadValue, Spec, param, params, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store

# The columns of a line, some of which only some measurements fill.
NO_LINES = pd.DataFrame(columns=["metric", "on", "by", "kind", "seed", "value", "why", "unit", "low", "high", "bound"])


@dataclass(frozen=True)
class Tier:
    """How deep an audit goes: its name, by which the Audit page has it too, the question it answers, and the models
    that it asks.
    """

    name: str
    question: str
    models: str


TIERS = (
    Tier("one seed", "What do one unlearned and one retrained model say?", "one of each kind"),
    Tier(
        "all numbers", "Does it hold over seeds, and what is left inside the models?", "one of each kind for every seed"
    ),
    Tier(
        "single images", "What do single images give away to an attacker with shadow models?", "shadow models in thirds"
    ),
    Tier("many models", "Can many unlearned models be told from many retrained ones?", "many of each kind"),
)


@spec
class Audit(Spec):
    """Everything that can be said of one way of forgetting, up to a tier."""

    # 2: two seeds that agree give no verdict, nor do blocks that agree by chance a narrow interval. What an audit is
    # made from is no part of its key, so a raised version of any of them raises this one.
    version = 2 + sum(made.version - 1 for made in (Instant, Relearned, PerExample, Inversion, Distribution))

    name: str = param("Audit", help="what the audit is called")
    subject: Subject = param(help="what is audited")
    tier: int = param(1, 0, len(TIERS) - 1, help="how deep: 0 one seed, 1 all numbers, 2 single images, 3 many models")
    seeds: int = param(5, 2, 100, help="models of each kind, from tier 1 on")
    shadows: int = param(48, FEWEST, 3000, help="shadow models of tier 2, a multiple of three")
    deletions: int = param(100, 1, 10_000, help="images of tier 2 that are deleted each by itself")
    models: int = param(64, 8, 512, help="models of each kind of tier 3")

    def __post_init__(self):
        super().__post_init__()
        if self.shadows % 3:
            raise BadField("shadows", f"must be a multiple of three, not {self.shadows}.")
        # What a tier does not ask for is no part of which audit it is.
        defaults = {p.name: p.default for p in params(type(self))}
        for name, least in (("seeds", 1), ("shadows", 2), ("deletions", 2), ("models", 3)):
            if self.tier < least:
                object.__setattr__(self, name, defaults[name])

    @property
    def instants(self) -> list[Instant]:
        return [Instant(subject=self.subject, seed=seed) for seed in range(self.seeds if self.tier else 1)]

    @property
    def relearned(self) -> list[Relearned]:
        return [Relearned(subject=self.subject, seed=instant.seed) for instant in self.instants]

    @property
    def inversion(self) -> Inversion:
        return Inversion(subject=self.subject, requests=self.deletions)

    @property
    def per_example(self) -> PerExample:
        return PerExample(subject=self.subject, shadows=self.shadows)

    @property
    def distribution(self) -> Distribution:
        return Distribution(subject=self.subject, models=self.models)


def _audit(store: Store, wanted: Audit, tell: Tell) -> Result:
    subject, target = wanted.subject, wanted.subject.target(store)
    check(store, subject)
    seeds = [instant.seed for instant in wanted.instants]
    found = models(store, subject, seeds, _named(tell, "models"))  # all before each is measured
    numbers = [result.table() for result in fulfil_all(store, wanted.instants, _named(tell, "measuring"))]
    tables: dict[str, pd.DataFrame] = {}
    if wanted.tier >= 1:
        numbers += [result.table() for result in fulfil_all(store, wanted.relearned, _named(tell, "relearning"))]
        seen = {kind: [seen_of(target, result) for result in results] for kind, results in found.items()}
        numbers.append(pd.DataFrame(from_references.lines(seen, subject.training.data.name)))
        tables |= others.tables(store, subject, seen)
    if wanted.tier >= 2:
        margins = {kind: [target.forget_margins(each.logits) for each in of_kind] for kind, of_kind in seen.items()}
        try:
            shadows = Observed.of(fulfil(store, wanted.per_example, _named(tell, "shadow models")))
        except BadValue as error:  # no shadows for such a set: all else can still be measured
            lines = single_images.unknown(str(error))
        else:
            lines = chain(single_images.lines(shadows), single_images.audited(shadows, margins))
            tables["images"] = single_images.each_image(shadows, target.parts, margins)
        numbers.append(pd.DataFrame(lines))
        numbers.append(fulfil(store, wanted.inversion, _named(tell, "deletions")).table())
    if wanted.tier >= 3:
        many = fulfil(store, wanted.distribution, _named(tell, "many models"))
        numbers.append(many.table())
        tables["many_models"] = many.table("images")
    together = in_one(numbers)
    compared = overview(together)

    def make(draft: Draft) -> None:
        draft.table(together, "numbers")
        draft.table(compared)
        for name, table in tables.items():
            draft.table(table, name)
        draft.json("summary", summary(wanted, compared, len(target.forget)))

    return store.remember(wanted, make, device=numerics)


def in_one(numbers: list[pd.DataFrame]) -> pd.DataFrame:
    """The lines of several measurements as one table with every column of a line, all of objects: of other types, what
    a column comes to that some of them lack differs between versions of pandas.
    """
    frames = [each.astype(object) for each in (NO_LINES, *numbers)]
    return pd.concat(frames, ignore_index=True).fillna({"why": "", "by": "", "unit": "seeds"})


def _named(tell: Tell, stage: str) -> Tell:
    return lambda _, done, total: tell(stage, done, total)


def summary(wanted: Audit, compared: pd.DataFrame, forget: int) -> dict:
    """The audit in brief, as plain JSON: how many numbers were compared with retraining and what they say."""
    judged = compared[compared["side"].notna()]
    return {
        "name": wanted.name,
        "tier": wanted.tier,
        "algorithm": wanted.subject.unlearner.title,
        "forget": forget,
        "seeds": len(wanted.instants),
        "numbers": len(compared),
        "compared": len(judged),
        "like_retraining": int((judged["side"] == 0).sum()),
        "says": {str(words): int(count) for words, count in judged["says"].value_counts().items()},
        "different_by_chance": round(0.05 * len(judged)),  # at most, were they independent
        "without_power": int((judged["has_power"] == False).sum()),  # noqa: E712 - None is neither
    }


def deepest(store: Store, subject: Subject) -> Result | None:
    """The finished audit of a subject that goes deepest, the newest of several; None without any."""
    found: Iterable[Result] = (r for r in store.results("Audit") if r.spec().subject == subject)
    return max(found, key=lambda result: result.spec().tier, default=None)


MAKERS[Audit] = _audit
