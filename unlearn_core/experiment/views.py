"""Finished studies as arrays and tables, ready to be shown: what pages, the command line and reports read. Computes
nothing slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

import unlearn_core.experiment.attributes as attributes
from unlearn_core import evaluation
from unlearn_core.attacks.signals import margin
from unlearn_core.data import Dataset
from unlearn_core.disk import StoreError
from unlearn_core.ensembles.sums import OUT
from unlearn_core.entanglement import EmbeddingSums, Entanglement
from unlearn_core.experiment.bank import bank_columns, bank_stability, bank_sums
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.embedded_images import embedding_sums, map_of
from unlearn_core.experiment.listed import LISTED, fault
from unlearn_core.experiment.measures import Shadows, Target
from unlearn_core.experiment.memorized import memorization_of
from unlearn_core.experiment.own_weights import about_original
from unlearn_core.experiment.proxy_scores import is_ready, proxy_scores
from unlearn_core.experiment.study import Study, searches
from unlearn_core.experiment.study_table import CEILING, ORIGINAL, RETRAINED, told_apart
from unlearn_core.experiment.trained_models import dataset, outputs
from unlearn_core.experiment.tuning import chosen
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.forget import Known
from unlearn_core.memorization import Memorization
from unlearn_core.params import BadValue
from unlearn_core.proxies import PROXIES
from unlearn_core.result import Result
from unlearn_core.rum import PARTS, Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner

# So many models' logits are kept, where they come to no more bytes than this; others are read anew each time.
LOGITS, MOST_KEPT = 64, 1 << 28


@dataclass(frozen=True)
class ScoreWords:
    """What the scores are called that a study ranks its images by: `name` in a sentence, `axis` at a chart, `about`, a
    sentence on what a score says, and `ends`, what 0 and 1 mean.
    """

    name: str
    axis: str
    about: str
    ends: str


MEMORIZATION = ScoreWords(
    "memorization",
    "memorization score (right = more memorized)",
    "A score says how much seeing an image in training helps the model with it.",
    "0 = the model would get them right without them too, 1 = only by having seen them",
)
NO_RATIO = "The likelihood-ratio attack needs a bank of models, and no bank of models was trained."
CONFIDENCE = ScoreWords(
    "unsureness",
    "1 minus the mean confidence in the label during training (right = learned later)",
    "A score says how unsure of the image's label the model was during training: 1 minus its mean confidence.",
    "0 = the model was sure of their labels all through training, 1 = it never was",
)


def accuracies(store: Store, training: Training) -> dict[str, tuple[float, int]] | None:
    """Of the training and the test images ("train", "test") the share that the model of a training gets right, 0 to 1,
    and how many there are; None where what it says of them is not stored.
    """
    result = store.find(training)
    if result is None:
        return None
    said = {split: outputs(store, training.data, result, split) for split in ("train", "test")}
    return {split: (evaluation.accuracy(o.logits, o.labels), len(o.labels)) for split, o in said.items()}


@dataclass(frozen=True)
class SetFacts:
    """What can be said of a forget set before it is forgotten. `per_class` (K,) counts its images of each class, and
    `of_class` (K,) all training images of it; `memorization` is their mean score, `memorization_error` the mean
    standard error of one of these scores, None without a bank. `lost` names the classes that lose more than half of
    their images: the score of an image says what it alone changes, so it foretells nothing for them. `gone` names those
    among them that lose all.
    """

    images: int
    per_class: np.ndarray
    of_class: np.ndarray
    memorization: float
    memorization_error: float | None
    lost: tuple[str, ...]
    gone: tuple[str, ...]
    entanglement: Entanglement

    @property
    def shares(self) -> np.ndarray:
        """(K,) which share of each class is in the set, 0 to 1; 0 of a class without images."""
        return self.per_class / np.maximum(self.of_class, 1)


class OpenStudy:
    """A finished study. Everything is read when first asked for and kept; treat all arrays as read-only.

    Rows are numbers of training images. Methods are named as in `table["method"]`; REFERENCES are always among them.
    """

    def __init__(self, store: Store, result: Result):
        self.store, self.result = store, result
        self.key = result.key
        self.spec: Study = result.spec()
        self.summary: dict = result.json("summary")

    @classmethod
    def open(cls, store: Store, key: str) -> OpenStudy:
        """Raises StoreError where there is no finished study with this key, or it does not say what is listed."""
        result = store.open("Study", key)
        if (wrong := fault(result, LISTED)) is not None:
            raise StoreError(f"The study is not whole: {wrong}.")
        return cls(store, result)

    # -- the images ----------------------------------------------------------------------------------------------------

    @cached_property
    def data(self) -> Dataset:
        return dataset(self.store, self.spec.training.data)

    @cached_property
    def pixels(self) -> np.ndarray:
        """(n, C, H, W) uint8 training images."""
        return self.data.train.x.numpy()

    @cached_property
    def labels(self) -> np.ndarray:
        return self.data.train.y.numpy()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    # -- what is known of them -----------------------------------------------------------------------------------------

    @cached_property
    def memorization(self) -> Memorization:
        """By the bank; without one by confidence during training, which its `warning` says."""
        return memorization_of(self.store, self.spec.bank)

    @property
    def score_words(self) -> ScoreWords:
        """What its scores are called on the screen."""
        return MEMORIZATION if self.spec.models else CONFIDENCE

    @property
    def about_original(self) -> str:
        """What must be said beside its numbers where the original was trained elsewhere, "" where it was not."""
        return about_original(self.spec.training, self.summary["accuracy"])

    @property
    def tuned_on_test(self) -> bool:
        """Whether learning rates were chosen by the very test images that are reported, for want of others."""
        return bool(self.spec.tuning_seeds) and not len(self.data.validation.y)

    @cached_property
    def original_margins(self) -> np.ndarray:
        """(n,) float64 logit-scaled confidence in the label of each training image, any real number, its mean over the
        original models of the study; higher = surer.
        """
        said = (self.run_result(ORIGINAL, seed).arrays("logits")["train"] for seed in range(self.spec.seeds))
        return np.mean([margin(logits, self.labels) for logits in said], axis=0)

    @cached_property
    def stability(self) -> pd.DataFrame | None:
        """How stable the bank's scores were as it grew, as in bank.bank_stability; None without a bank."""
        return bank_stability(fulfil(self.store, self.spec.bank)) if self.spec.models else None

    @cached_property
    def sums(self) -> EmbeddingSums:
        """Entanglement of any selection: sums.describe(rows)."""
        return embedding_sums(self.store, self.spec.training)

    def map(self, kind: str = "umap") -> tuple[np.ndarray, np.ndarray]:
        """((n, 2), (n_test, 2)) float32 coordinates of training and test images under the original model; "umap" or
        "pca".
        """
        arrays = fulfil(self.store, map_of(self.store, self.spec.training)).arrays(kind)
        return arrays["train"], arrays["test"]

    # -- the forget set and what was run -------------------------------------------------------------------------------

    @cached_property
    def forget(self) -> np.ndarray:
        return self.result.arrays()["forget"]

    @cached_property
    def parts(self) -> dict[str, np.ndarray]:
        """Rows of the low, medium and high third by memorization, on which group ToW is measured."""
        arrays = self.result.arrays()
        return {part: arrays[f"part_{part}"] for part in PARTS}

    @cached_property
    def table(self) -> pd.DataFrame:
        """One line per method and seed with all measured numbers; `kind` is reference, single, plan or control. Titles
        tell all methods apart.
        """
        return told_apart(self.result.table())

    @lru_cache(maxsize=64)  # noqa: B019 - an open study lives as long as its cache
    def means(self, metric: str) -> pd.DataFrame:
        """Per method, in the study's order: title, kind, mean, half_width of the 95 % t-interval over seeds, and
        `distinguishable` from the ceiling (one retrained model against another); None where there are too few seeds
        to say. Read-only: it is kept.
        """
        ceiling = self._values(CEILING, metric)
        lines = []
        for name in dict.fromkeys(self.table["method"]):
            group = self.table[self.table["method"] == name]
            values = self._values(name, metric)
            inside = evaluation.inside_seed_spread(values, ceiling)
            head = {"method": name, "title": group["title"].iloc[0], "kind": group["kind"].iloc[0]}
            lines.append(
                head | vars(evaluation.over_seeds(values)) | {"distinguishable": None if inside is None else not inside}
            )
        # As objects, so that True, False and None stay what they are.
        return pd.DataFrame(lines).set_index("method").astype({"distinguishable": object})

    def _values(self, method: str, metric: str) -> list[float | None]:
        group = self.table[self.table["method"] == method].sort_values("seed")
        return evaluation.values_of(group[metric])

    @cached_property
    def target(self) -> Target:
        return Target(self.labels, self.data.test.y.numpy(), self.forget, self.parts)

    @cached_property
    def best(self) -> dict[Unlearner, Unlearner]:
        """Each algorithm of the study as it was given -> with the settings that its search chose; without those that
        had nothing to choose.
        """
        found = {given: (s, self.store.find(s)) for given, s in searches(self.store, self.spec, self.forget).items()}
        return {given: chosen(search, done.table()) for given, (search, done) in found.items() if done is not None}

    @cached_property
    def settings(self) -> dict[type[Unlearner], Unlearner]:
        """The single algorithms of the study with the settings that they ran with."""
        return {type(given): self.best.get(given, given) for given in reversed(self.spec.unlearners)}

    # -- outputs of single models --------------------------------------------------------------------------------------

    def run_result(self, method: str, seed: int) -> Result:
        """The stored model of one line of the table: weights, logits, and for runs the cost."""
        line = self.table[(self.table["method"] == method) & (self.table["seed"] == seed)]
        if line.empty:
            raise BadValue(f"This study has no method {method!r} with seed {seed}.")
        kind = Training if line["kind"].iloc[0] == "reference" else Run
        return self.store.open(kind.__name__, line["result"].iloc[0])

    def logits(self, method: str, seed: int) -> dict[str, np.ndarray]:
        """(N, K) logits of one model on "train", "validation" and "test"."""
        light = LOGITS * 4 * len(self.labels) * len(self.classes) <= MOST_KEPT
        return self._logits(method, seed) if light else self.run_result(method, seed).arrays("logits")

    @lru_cache(maxsize=LOGITS)  # noqa: B019 - an open study lives as long as its cache
    def _logits(self, method: str, seed: int) -> dict[str, np.ndarray]:
        return self.run_result(method, seed).arrays("logits")

    @lru_cache(maxsize=64)  # noqa: B019 - an open study lives as long as its cache
    def margins(self, method: str, seed: int) -> dict[str, np.ndarray]:
        """Logit-scaled confidence of one model on the forget images (in the order of `forget`) and the test images
        ("held_out").
        """
        logits = self.logits(method, seed)
        return {"forget": self.target.forget_margins(logits), "held_out": self.target.test_margins(logits)}

    @cached_property
    def shadows(self) -> Shadows | None:
        """What the bank knows of the forget images; None without a bank."""
        return Shadows.of(*bank_columns(self.store, self.spec.bank, self.forget)) if self.spec.models else None

    @cached_property
    def references(self) -> dict[str, np.ndarray] | None:
        """What the models of the bank that never saw an image say of it, as RMIA's reference models: their mean
        probability of the label of each of the forget images and of the unseen test images ("held_out"). None without
        a bank.
        """
        if not self.spec.models:
            return None
        sums = bank_sums(fulfil(self.store, self.spec.bank))
        held_out = sums.mean_test_probability()[self.target.unseen]
        return {"forget": sums.mean_probability(OUT, self.forget), "held_out": held_out}

    def lira(self, method: str, seed: int) -> np.ndarray:
        """(k,) likelihood-ratio score of each forget image under one model, from the bank; higher = more likely a
        member. Raises BadValue without a bank.
        """
        if self.shadows is None:
            raise BadValue(NO_RATIO)
        return self.shadows.score(self.margins(method, seed)["forget"])

    def after_each_step(self, method: str, seed: int) -> pd.DataFrame:
        """For a RUM run: accuracies on forget, retain, test and each part, and `group_tow` against the retrained model
        of the seed, before it and after each of its steps.
        """
        result, goal = self.run_result(method, seed), self.logits(RETRAINED, seed)
        aims = self.target.accuracies(goal), self.target.part_accuracies(goal)
        stages = [("before", self.logits(ORIGINAL, seed))]
        stages += [(name, result.arrays(f"step{i}")) for i, name in enumerate(result.json("cost")["plan"])]
        lines = []
        for name, logits in stages:
            whole, parts = self.target.accuracies(logits), self.target.part_accuracies(logits)
            near = evaluation.group_tow(whole, aims[0], parts, aims[1])
            step = name if name == "before" else f"after {name}"
            lines.append({"step": step} | whole | parts | {"group_tow": near})
        return pd.DataFrame(lines).set_index("step")

    # -- a forget set and a plan before they are run -------------------------------------------------------------------

    @property
    def known(self) -> Known:
        """What rules choose a forget set from."""
        return Known(
            labels=self.labels,
            classes=self.classes,
            memorization=lambda: self.memorization.scores,
            sums=lambda: self.sums,
            mislabelled=self.data.mislabelled,
        )

    def about(self, rows: np.ndarray, center: str = "all", quick: bool = False) -> SetFacts:
        """Size, classes, mean memorization and entanglement of any set of training rows but all of them; `quick` as in
        EmbeddingSums.describe.
        """
        error = self.memorization.standard_error
        per_class, of_all = (np.bincount(y, minlength=len(self.classes)) for y in (self.labels[rows], self.labels))
        return SetFacts(
            images=len(rows),
            per_class=per_class,
            of_class=of_all,
            memorization=float(self.memorization.scores[rows].mean()),
            memorization_error=float(error[rows].mean()) if error is not None else None,
            lost=tuple(self.classes[c] for c in np.flatnonzero(2 * per_class > of_all)),
            gone=tuple(self.classes[c] for c in np.flatnonzero((per_class == of_all) & (of_all > 0))),
            entanglement=self.sums.describe(rows, center, quick=quick),
        )

    def is_ready(self, by: str) -> bool:
        """Whether the scores of a choice of `by` are there; those of some proxies are made by a job first."""
        return by not in PROXIES or is_ready(self.store, self.spec.training, by)

    @lru_cache(maxsize=8)  # noqa: B019 - an open study lives as long as its cache
    def proxy(self, name: str) -> np.ndarray:
        """(n,) float64 scores of a proxy of PROXIES, higher = more memorized."""
        return proxy_scores(self.store, self.spec.training, name)

    def scores(self, by: str) -> np.ndarray:
        """(n,) float64, what a plan refines by, higher = more memorized: Plan's choices of `by`."""
        return attributes.scores(by, self.known, self.proxy)

    def refine(self, plan: Plan, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The parts that a run of this plan would cut these rows into."""
        return attributes.parts(plan, rows, self.known, self.proxy)

    def part_tow(self, method: str, part: str) -> list[float | None]:
        """ToW of a method on each seed, with a part of the study's own set in the place of the forget set."""
        names = {"forget": f"{part}_accuracy", "retain": "retain_accuracy", "test": "test_accuracy"}
        by_seed = [self.table[self.table["method"] == name].set_index("seed") for name in (method, RETRAINED)]
        pairs = [[{k: t.loc[seed, c] for k, c in names.items()} for t in by_seed] for seed in range(self.spec.seeds)]
        return [evaluation.tow(unlearned, retrained) for unlearned, retrained in pairs]
