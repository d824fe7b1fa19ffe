"""The paper on one dataset, as a list of specs: forget sets of every kind, each forgotten by every algorithm of the
paper, RUM with its controls and orders, cheaper scores, a search for the plan that suits, SalUn as its published code
has it, and requests in a row.

Each entry is an ordinary spec, made by the functions that the pages use and opened by them, so the whole can stop after
any result and go on from there. Settings are chosen once for all sets of one size, on models that are not reported.

Source: Zhao et al. (2024), arXiv:2406.01257; for cheaper scores Zhao and Triantafillou (2024), arXiv:2410.16516.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from unlearn_core.data import Data
from unlearn_core.ensembles import Bank
from unlearn_core.experiment.attributes import known, target
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.listed import studies
from unlearn_core.experiment.model_seeds import TUNING
from unlearn_core.experiment.proxy_table import ProxyTable
from unlearn_core.experiment.search import PlanSearch
from unlearn_core.experiment.stream import Stream, deal_requests
from unlearn_core.experiment.study import SINGLES, Study
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.tuning import Tuning, best_settings
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.forget import AtRandom, ByEntanglement, ByMemorization, ForgetSet, OfClass, Picked
from unlearn_core.params import Spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Result
from unlearn_core.rows import pack
from unlearn_core.rum import PARTS, Plan, same_everywhere
from unlearn_core.store import Store
from unlearn_core.training import Training, recipe
from unlearn_core.unlearning import ALGORITHMS, Unlearner, short_name
from unlearn_core.unlearning.distil.scrubbing import Scrubbing
from unlearn_core.unlearning.perturb.woodfisher import WoodFisher
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.relabel.salun import SalUn

SEEDS = 3
OWN_COPY = "-files"  # ends the name of a person's own copy of a dataset
TRIALS = 24  # plans that the search tries
REQUESTS = 3  # in which the most memorized images are asked for, one after the other
LENGTHS = tuple(WoodFisher(alpha=alpha) for alpha in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0))
RUM = Plan()  # nothing for what every model knows, then fine-tuning, then relabelling; the published example: SalUn
ALONE = ("fine-tune", "l1-sparse", "neggrad-plus", "random-label", "salun", "scrub")  # refined with for all parts alike


@dataclass(frozen=True)
class Scale:
    """How large the study of the paper is: images, recipe, models of the bank, images of a forget set, and epochs of
    each unlearning (0 = as every algorithm declares).
    """

    train: int
    test: int
    recipe: dict
    models: int
    size: int
    epochs: int = 0

    def unlearning(self, unlearner: Unlearner) -> Unlearner:
        if not self.epochs or not hasattr(unlearner, "epochs"):
            return unlearner
        if isinstance(unlearner, Scrubbing):  # the share of its epochs that repair what pushing away broke stays
            pushing = round(unlearner.max_epochs * self.epochs / unlearner.epochs)
            unlearner = unlearner.but(max_epochs=max(1, pushing))
        return unlearner.but(epochs=self.epochs)

    def training(self, data: Data) -> Training:
        of = recipe(Data(name=data.name.removesuffix(OWN_COPY)))
        return of.but(data=data.but(train=self.train, test=self.test), **self.recipe)


SCALES = {
    # What a model does not fit it has not memorized: models of a bank of this width get 99 % of their images right
    # after these epochs (docs/performance.md). A quarter as many to unlearn; the published code has a sixth to a third.
    "small": Scale(5_000, 2_000, {
        "model": "resnet9", "width": 8, "epochs": 16, "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch": 64,
        "augment": "none", "precision": "bfloat16",
    }, models=32, size=150, epochs=4),
    # The recipe of the published code for each dataset, and its sizes, but for half precision and a bank of 100 models,
    # not 400.
    "full": Scale(0, 0, {"augment": "none", "precision": "bfloat16"}, models=100, size=3_000),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One result of the paper's study; `name` says what it is in the tables."""

    name: str
    spec: Spec


def forget_sets(size: int, label: str) -> dict[str, ForgetSet]:
    """Every kind of forget set, by name: each level of memorization and of entanglement, a mix, random, one class."""
    levels = ("low", "medium", "high")
    return {
        "mix": ByMemorization(level="mix", size=size),
        **{f"memorization {level}": ByMemorization(level=level, size=size) for level in levels},
        **{f"entanglement {level}": ByEntanglement(level=level, size=size) for level in levels},
        "random": AtRandom(size=size),
        "one class": OfClass(label=label),
    }


def steps(
    store: Store, data: Data, scale: str, seeds: int = SEEDS, tell: Tell = silent, chosen: Unlearner | None = None
) -> Iterator[Step]:
    """All results of the study, in order; the last ones can only be named once those before them are in the store.
    `chosen` is influence unlearning as it was chosen before; None = choose it.

    Raises KeyError for a scale that is none of SCALES.
    """
    at = SCALES[scale]
    training = at.training(data)
    sets = forget_sets(at.size, dataset(store, training.data, tell).classes[0])
    mixed = sets.pop("mix")
    bank = Bank(training=training, models=at.models)
    single = (*SINGLES, chosen or influence(store, bank, mixed, tell))
    rum = RUM.but(**{part: at.unlearning(getattr(RUM, part)) for part in PARTS})

    def study(name: str, forget: ForgetSet, unlearners=single, plans=(), controls: bool = True) -> Step:
        spec = Study(
            name=f"Paper, {scale}: {name}", training=training, models=at.models, forget=forget,
            unlearners=tuple(at.unlearning(u) for u in unlearners), plans=plans, controls=controls, seeds=seeds,
            tuning_seeds=1,
        )  # fmt: skip
        return Step(name, spec)

    mix = study("mix", mixed, plans=(rum,))
    yield mix
    each = {name: study(name, forget) for name, forget in sets.items()}
    yield from each.values()
    # RUM with one algorithm for all parts, beside the same without parts and with parts drawn at random.
    alone = (at.unlearning(u) for u in SINGLES if short_name(u) in ALONE)
    yield study("one algorithm", mix.spec.forget, (), tuple(same_everywhere(rum, u) for u in alone))
    others = [order for order in permutations(PARTS) if order != rum.order]
    plans = tuple(rum.but(name=f"RUM {' '.join(order)}", order=order) for order in others)
    yield study("orders", mix.spec.forget, (), plans, controls=False)
    # Errors of the published code, one by one: the mask the wrong way round, no random labels, another low set.
    yield study("as released", mix.spec.forget, (SalUn(), SalUn(keep="bottom"), SalUn(relabel=False)))
    least = OpenStudy(store, fulfil(store, each["memorization low"].spec, tell))
    other = Picked(named=pack(least_with_ties_reversed(least.memorization.scores, at.size)))
    yield study("other low set", other, tuple(u for u in SINGLES if u.group == "relabel"), controls=False)
    yield Step("cheaper scores", ProxyTable(study=mix.spec))
    # The paper chose settings for every part: around those chosen for the whole set, as many rates on each.
    tuned = OpenStudy(store, fulfil(store, mix.spec, tell))
    yield Step("searched plans", PlanSearch(
        name=f"Paper, {scale}: searched plans", training=training, models=at.models, forget=mix.spec.forget, plan=rum,
        algorithms=tuple(tuned.settings[ALGORITHMS[name]] for name in ALONE), rates=(0.3, 1.0, 3.0), trials=TRIALS,
        together=TRIALS // 3, tuning_seeds=1, seeds=max(2, seeds), best=2,
    ))  # fmt: skip
    most = OpenStudy(store, fulfil(store, each["memorization high"].spec, tell))
    suited = most.run_result(short_name(NegGradPlus()), 0)
    yield Step("requests in a row", Stream(
        name=f"Paper, {scale}: requests in a row", training=training, models=at.models, seeds=max(2, seeds),
        requests=deal_requests(most.forget, REQUESTS), unlearner=suited.spec().unlearner,
    ))  # fmt: skip


def influence(store: Store, bank: Bank, forget: ForgetSet, tell: Tell) -> Unlearner:
    """The paper's influence unlearning with a step as long as suits another model. A study looks for learning rates,
    of which it has none.
    """
    rows = forget.choose(known(store, bank, tell))
    parts = tuple(pack(part) for part in target(store, bank, rows).parts.values())
    search = Tuning(training=bank.training, forget=pack(rows), parts=parts, unlearners=LENGTHS, seeds=(TUNING,))
    return best_settings(store, {LENGTHS[0]: search}, tell)[LENGTHS[0]]


def least_with_ties_reversed(scores: np.ndarray, size: int) -> np.ndarray:
    """(size,) sorted rows of the lowest scores (n,), of equal ones the last in place of the first: another set by the
    same rule, such as the published code gives to some of its algorithms.
    """
    rows = np.arange(len(scores))
    return np.sort(np.lexsort((-rows, np.round(scores, 9)))[:size])


def made(store: Store, scale: str) -> dict[str, Result]:
    """The results of a scale that are in the store, by the names of their steps; empty where it was not begun. A step
    that is missing is passed over, as long as later ones can be named without it.
    """
    first = next((s for s in studies(store) if s.name == f"Paper, {scale}: {NAMES[0]}"), None)
    if first is None:
        return {}
    begun, found = store.open("Study", first.key).spec(), {}
    chosen = next((u for u in begun.unlearners if isinstance(u, WoodFisher)), None)
    for step in steps(store, begun.training.data, scale, begun.seeds, chosen=chosen or LENGTHS[0]):
        if (result := store.find(step.spec)) is not None:
            found[step.name] = result
        if NEXT_FROM.get(step.name, NAMES[0]) not in found:
            break  # asked for the next one, `steps` would compute it
    return found


# Steps after which the next one is named from a result: this one.
NEXT_FROM = {"as released": "memorization low", "searched plans": "memorization high"}


STUDIES = (*forget_sets(3, ""), "one algorithm", "orders", "as released", "other low set")  # the steps that are studies
NAMES = (*STUDIES, "cheaper scores", "searched plans", "requests in a row")
