"""The difficulty landscape: what algorithms reach on hundreds of forget sets of one training.

A part is one algorithm on a block of sets; each finished part is in the store, so a landscape that was stopped goes on,
and another algorithm costs only itself.

Its models have seeds of their own, and validation images stand in the place of the test images: what is foretold from
a landscape has not seen what a study will report.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.attacks import auc
from unlearn_core.data import Data, Dataset
from unlearn_core.device import numerics
from unlearn_core.engines import engine
from unlearn_core.ensembles import Bank, train_members
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.landscape_sets import TOGETHER, LandscapeSets, seen
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.memorized import Unbanked, bank_of
from unlearn_core.experiment.model_seeds import LANDSCAPE, LANDSCAPE_AGAIN
from unlearn_core.experiment.spread import fulfil_all
from unlearn_core.experiment.study import FEWEST
from unlearn_core.experiment.trained_models import all_logits, check_finite, dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, refuse, unlearn
from unlearn_core.params import BadField, BadValue, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.rows import others, pack
from unlearn_core.store import Store
from unlearn_core.training import Training, recipe
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name
from unlearn_core.unlearning.ends.original import Original
from unlearn_core.unlearning.ends.retrain import Retrain

SIZES = (20, 60, 120, 240)  # images of a set
PREVIEW = 64  # sets: a block of each size
MANY = 256  # sets: four blocks of each
# About 0.1 s a set of digits and more: left out where a quick look is asked for.
SLOW = (
    "rni",
    "fcs",
    "uwc",
    "scrub-r",
    "noisy-fine-tune",
    "influence",
    "kde",
    "second-order",
    "condensed",
    "munba",
    "sisa",
    "remi",
    "fisher",
    "amnesiac",
    "oracle-matching",
    "langevin-head",
    "mini-unlearning",
)


def usual(slow: bool = True) -> tuple[Unlearner, ...]:
    """The algorithms for single images with their defaults, in the order of ALGORITHMS, without the two ends of the
    scale; those of SLOW come last, or not at all.
    """
    fits = [n for n, cls in ALGORITHMS.items() if n not in ("original", "retrain") and cls.scope != "classes"]
    names = [n for n in fits if n not in SLOW] + [n for n in SLOW if slow]
    return tuple(ALGORITHMS[name]() for name in names)


@spec
class LandscapePart(Spec):
    """One algorithm on some sets of a block, each on its own model; Retrain gives the references."""

    sets: LandscapeSets = param(help="the block")
    count: int = param(TOGETHER, 1, TOGETHER, help="how many of its sets, the first ones")
    unlearner: Unlearner = param(help="the algorithm")


@spec
class Landscape(Spec):
    """What algorithms reach on many forget sets of one training."""

    name: str = param("Difficulty landscape", help="what the landscape is called")
    training: Training = param(recipe(Data()), help="how the original and the retrained models are trained")
    models: int = param(64, 0, 10_000, help="members of the bank that memorization is estimated from; 0 = no bank")
    stop_at: float = param(0.0, 0.0, 0.999, help="reliability at which the bank stops early; 0 = it does not")
    unlearners: tuple = param(usual(), help="algorithms to run on every set")
    sets: int = param(MANY, 16, 10_000, help=f"how many forget sets; {PREVIEW} are a preview")
    sizes: tuple = param(SIZES, help="images of a set; blocks of sets take turns")
    originals: int = param(8, 1, 1000, help="original models; sets take turns")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the draw")

    def __post_init__(self):
        super().__post_init__()
        if 0 < self.models < FEWEST:
            raise BadField("models", f"must be at least {FEWEST}, or 0 for no bank, not {self.models}.")
        object.__setattr__(self, "training", self.training.afresh.but(seed=0, without=""))
        if not self.unlearners or not all(isinstance(u, Unlearner) for u in self.unlearners):
            raise BadValue("A landscape needs at least one algorithm.")
        if plans := [type(u).__name__ for u in self.unlearners if type(u) not in ALGORITHMS.values()]:
            raise BadValue(f"A landscape runs single algorithms, and {plans[0]} is none.")
        whole = all(isinstance(s, int) and not isinstance(s, bool) and s >= 2 for s in self.sizes)
        if not self.sizes or not whole or len(set(self.sizes)) < len(self.sizes):
            raise BadValue("Sizes of sets are different whole numbers of at least 2, and there is at least one.")

    @property
    def bank(self) -> Bank | Unbanked:
        return bank_of(self.training, self.models, self.stop_at)

    @property
    def models_to_unlearn(self) -> list[Training]:
        """The original models, which sets take turns with."""
        return [self.training.but(seed=s) for s in range(LANDSCAPE, LANDSCAPE + min(self.originals, TOGETHER))]

    @property
    def algorithms(self) -> tuple[Unlearner, ...]:
        """What is run on every set: the algorithms, and before them the two ends of the scale."""
        return tuple(dict.fromkeys([Retrain(), Original(), *self.unlearners]))

    def blocks(self) -> Iterator[tuple[LandscapeSets, int]]:
        """Each block of sets, and how many of its sets count."""
        for number in range(-(-self.sets // TOGETHER)):
            block = LandscapeSets(
                training=self.training,
                models=self.models,
                stop_at=self.stop_at,
                size=self.sizes[number % len(self.sizes)],
                number=number,
                originals=self.originals,
                seed=self.seed,
            )
            yield block, min(TOGETHER, self.sets - number * TOGETHER)

    def parts(self) -> list[LandscapePart]:
        """All parts, block by block."""
        return [LandscapePart(sets=b, count=n, unlearner=u) for b, n in self.blocks() for u in self.algorithms]


# -- the parts ---------------------------------------------------------------------------------------------------------


def _part(store: Store, part: LandscapePart, tell: Tell) -> Result:
    block = fulfil(store, part.sets)
    rows, seeds = block.arrays()["rows"][: part.count], block.table()["seed"].to_numpy()[: part.count]
    images = dataset(store, part.sets.training.data)
    judged = _Judge(images)
    if isinstance(part.unlearner, Retrain):
        lines, seconds = _references(part, images, judged, rows, seeds, tell)
    else:
        training, lines, seconds = part.sets.training, [], 0.0
        runs = [
            Run(training=training.but(seed=int(s)), forget=pack(r), unlearner=part.unlearner, seed=int(s))
            for r, s in zip(rows, seeds, strict=True)
        ]
        for r, (unlearned, _) in zip(rows, unlearn(store, runs, tell), strict=True):
            cost = unlearned.cost
            said = judged(r, all_logits(unlearned.model, images))
            lines.append(said | {"seconds": cost.seconds, "diverged": cost.diverged_at is not None})
            seconds += cost.seconds

    def make(out: Draft) -> None:
        out.seconds = seconds
        out.table(pd.DataFrame(lines).assign(set=part.sets.number * TOGETHER + np.arange(len(lines))))

    return store.remember(part, make, device=numerics)


def _references(part: LandscapePart, images: Dataset, judged: _Judge, rows, seeds, tell: Tell):
    """A line for each set: what its retrained model says, and, as again_..., a second one of another seed."""
    keep = [others(r, len(images.train.y)) for r in rows]
    numbers = [int(s) for s in seeds] + [int(s) - LANDSCAPE + LANDSCAPE_AGAIN for s in seeds]
    lines, seconds = [], 0.0
    for i, trained in enumerate(train_members(part.sets.training, images, keep * 2, numbers, tell)):
        check_finite(trained)
        said = judged(rows[i % len(rows)], all_logits(trained.model, images))
        seconds += trained.seconds
        if i < len(rows):
            lines.append(said | {"seconds": trained.seconds})
        else:
            lines[i - len(rows)] |= {f"again_{name}": value for name, value in said.items()}
    return lines, seconds


class _Judge:
    """What a model says of a set: accuracies on the forget, retain and held-out images, and the confidence attack."""

    def __init__(self, images: Dataset):
        self.split = "validation" if len(images.validation.y) else "test"
        self.labels, self.held_out = images.train.y.numpy(), getattr(images, self.split).y.numpy()

    def __call__(self, rows: np.ndarray, logits: dict[str, np.ndarray]) -> dict[str, float | None]:
        target = Target(self.labels, self.held_out, rows, {})
        said = {"train": logits["train"], "test": logits[self.split]}
        return target.accuracies(said) | {"auc": auc(target.forget_margins(said), target.test_margins(said))}


# -- the whole ---------------------------------------------------------------------------------------------------------


def _landscape(store: Store, landscape: Landscape, tell: Tell) -> Result:
    tell("data", 0, 1)
    images = dataset(store, landscape.training.data, tell)
    n = len(images.train.y)
    if 3 * max(landscape.sizes) > n:
        raise BadValue(
            f"A set of a landscape can hold at most a third of the {n:,} training images, not {max(landscape.sizes)}."
        )
    for unlearner in landscape.unlearners:
        refuse(store, landscape.training, np.arange(min(landscape.sizes)), unlearner)  # before any of them costs time
    with engine():
        if landscape.models:
            fulfil(store, landscape.bank, lambda _, done, total: tell("bank", done, total))
        tell("forget sets", 0, 1)
        seen(store, landscape.bank, tell)
        for block, _ in landscape.blocks():
            fulfil(store, block)
        train_all(store, landscape.models_to_unlearn, lambda _, done, total: tell("original models", done, total))
        parts = fulfil_all(store, landscape.parts(), lambda _, done, total: tell("landscape", done, total))

    def make(out: Draft) -> None:
        out.seconds = sum(part.manifest()["seconds"] for part in parts)
        out.table(table_so_far(store, landscape))

    return store.remember(landscape, make, device=numerics)


def table_so_far(store: Store, landscape: Landscape) -> pd.DataFrame:
    """A line for each set and algorithm that is finished, also while the landscape is under way.

    Columns: `algorithm` (its name in ALGORITHMS, or retrained-again: one retrained model against another), `title`,
    `set`, `seed` (of the model), the ATTRIBUTES; `tow` (0 to 1), `forget_gap`, `retain_gap`, `test_gap` and `auc_gap`
    (unlearned minus retrained, -1 to 1; above 0 the attack finds more than after retraining), `seconds`, `diverged`.
    """
    tables, called = [], names(landscape)
    for block, count in landscape.blocks():
        sets = store.find(block)
        reference = store.find(LandscapePart(sets=block, count=count, unlearner=Retrain()))
        if sets is None or reference is None:
            continue
        facts, truth = sets.table().head(count).set_index("set"), reference.table().set_index("set")
        again = truth.filter(regex="^again_").rename(columns=lambda name: name.removeprefix("again_"))
        again = again.assign(seconds=truth["seconds"], diverged=False)
        tables.append(_against(again, truth, facts, "retrained-again", "Retrained again"))
        for unlearner in landscape.algorithms[1:]:
            found = store.find(LandscapePart(sets=block, count=count, unlearner=unlearner))
            if found is not None:
                table = found.table().set_index("set")
                tables.append(_against(table, truth, facts, called[unlearner], unlearner.title))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["algorithm", "set"])


def names(landscape: Landscape) -> dict[Unlearner, str]:
    """Each algorithm's name in ALGORITHMS; one that is there with several settings is numbered."""
    found: dict[Unlearner, str] = {}
    for unlearner in landscape.algorithms:
        name = short_name(unlearner)
        before = sum(type(u) is type(unlearner) for u in found)
        found[unlearner] = f"{name}-no-{before + 1}" if before else name
    return found


def _against(said: pd.DataFrame, truth: pd.DataFrame, facts: pd.DataFrame, name: str, title: str) -> pd.DataFrame:
    splits = ("forget", "retain", "test")
    pairs = zip(said[[*splits]].to_dict("records"), truth[[*splits]].to_dict("records"), strict=True)
    gaps = {f"{k}_gap": said[k] - truth[k] for k in (*splits, "auc")}
    lines = facts.assign(
        algorithm=name,
        title=title,
        tow=[evaluation.tow(u, r) for u, r in pairs],
        **gaps,
        seconds=said["seconds"],
        diverged=said["diverged"],
    ).reset_index()
    return lines[["algorithm", "title", *(c for c in lines if c not in ("algorithm", "title"))]]


def landscape_for(store: Store, bank: Bank | Unbanked, sets: int, slow: bool = True) -> Landscape:
    """A landscape of a training and its bank with the usual algorithms, without the slow ones if asked: those that can
    be run on these images, and sets of sizes that the images allow. Raises BadValue where they allow none.
    """
    sizes = sizes_for(store, bank.training)
    models, stop_at = (bank.models, bank.stop_at) if isinstance(bank, Bank) else (0, 0.0)
    fits = tuple(u for u in usual(slow) if can_run(store, bank.training, np.arange(20), u))
    return Landscape(training=bank.training, models=models, stop_at=stop_at, unlearners=fits, sets=sets, sizes=sizes)


def sizes_for(store: Store, training: Training) -> tuple[int, ...]:
    """The usual sizes of sets that the images of a training allow; raises BadValue where they allow none."""
    n = len(dataset(store, training.data).train.y)
    if n < 3 * min(SIZES):
        raise BadValue(f"A landscape needs at least {3 * min(SIZES)} training images, not {n}.")
    return tuple(size for size in SIZES if 3 * size <= n)


def can_run(store: Store, training: Training, rows: np.ndarray, unlearner: Unlearner) -> bool:
    """Whether an algorithm can be asked to forget these rows."""
    try:
        refuse(store, training, rows, unlearner)
    except BadValue:
        return False
    return True


def landscapes(store: Store, bank: Bank | Unbanked) -> list[Result]:
    """The finished landscapes of a training and its bank: that with the most sets times algorithms first."""
    found = [(r.spec(), r) for r in store.results("Landscape")]
    fitting = [(spec, r) for spec, r in found if spec.bank == bank]
    return [r for _, r in sorted(fitting, key=lambda pair: -pair[0].sets * len(pair[0].unlearners))]


MAKERS |= {LandscapePart: _part, Landscape: _landscape}
