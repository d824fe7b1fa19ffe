"""The forget sets of a landscape: which images each holds, and what is said of them.

Sets are drawn so that memorization, entanglement and class mix vary widely. Entanglement does not vary apart from the
class mix: images of one class lie together, so sets of few classes are hardly entangled, and what goes with
entanglement has to be read at one class mix. Sets are drawn one by one from counters, so a small landscape is the
beginning of a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from unlearn_core.device import numerics
from unlearn_core.ensembles import Bank
from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment.attributes import known
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.embedded_images import Embedding
from unlearn_core.experiment.memorized import Unbanked, bank_of
from unlearn_core.experiment.model_seeds import LANDSCAPE
from unlearn_core.experiment.proxy_scores import is_ready, proxy_scores
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import Training

TOGETHER = 16  # sets of a block: all of one size, so that they go side by side
MOST = 0.9  # of a class that a set may take
# What is said of a set, as a table and a page call it.
ATTRIBUTES = {
    "memorization": "mean memorization",
    "entanglement": "entanglement as a share of a random set's (1 = like one, "
    "near 0 = its images lie apart from the kept ones)",
    "size": "number of images",
    "classes": "classes, each counted by its share (the exponential of the entropy)",
    "class_share": "largest share of a class that is taken",
    "confidence": "mean confidence during training",
}


@spec
class LandscapeSets(Spec):
    """A block of forget sets of one size, drawn to differ: their rows, and what is said of them."""

    training: Training = param(help="how the models are trained")
    models: int = param(64, 0, 10_000, help="members of the bank that memorization is estimated from; 0 = no bank")
    stop_at: float = param(0.0, 0.0, 0.999, help="reliability at which the bank stops early; 0 = it does not")
    size: int = param(60, 2, help="images of each set")
    number: int = param(0, 0, help="which block, from 0")
    originals: int = param(8, 1, 1000, help="original models; sets take turns")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the draw")

    @property
    def bank(self) -> Bank | Unbanked:
        return bank_of(self.training, self.models, self.stop_at)


@dataclass(frozen=True)
class Seen:
    """What is known of all training images: labels, memorization and mean confidence during training, each (n,), and
    the sums of their embeddings.
    """

    labels: np.ndarray
    memorization: np.ndarray
    confidence: np.ndarray
    sums: EmbeddingSums


def seen(store: Store, bank: Bank | Unbanked, tell: Tell = silent) -> Seen:
    """What is known of the training images of a bank; what it rests on is made where it is missing."""
    about = known(store, bank, tell)
    confidence = -proxy_scores(store, bank.training, "confidence", tell)
    return Seen(about.labels, about.memorization(), confidence, about.sums())


def is_seen(store: Store, bank: Bank | Unbanked) -> bool:
    """Whether what `seen` says is there, so that asking for it takes no more than reading."""
    rests_on = [Embedding(training=bank.training), *([bank] if isinstance(bank, Bank) else [])]
    return is_ready(store, bank.training, "confidence") and all(store.find(each) for each in rests_on)


def facts_of(about: Seen, rows: np.ndarray) -> dict[str, float]:
    """The ATTRIBUTES of a set of rows, at least one and never all: memorization, confidence and class_share in [0, 1];
    entanglement above 0, 1 = as a random set; size in images; classes from 1 on.
    """
    per_class, of_all = (np.bincount(y, minlength=about.labels.max() + 1) for y in (about.labels[rows], about.labels))
    share = per_class[per_class > 0] / len(rows)
    return {
        "memorization": float(about.memorization[rows].mean()),
        "entanglement": float(about.sums.describe(rows).share_of_random),
        "size": float(len(rows)),
        "classes": float(np.exp(-(share * np.log(share)).sum())),
        "class_share": float((per_class / np.maximum(of_all, 1)).max()),
        "confidence": float(about.confidence[rows].mean()),
    }


# Steps of an additive recurrence in three dimensions: any run of its points fills the cube evenly.
_STEP = 1 / 1.2207440846057596 ** np.arange(1, 4)


def draw(about: Seen, block: LandscapeSets, number: int) -> np.ndarray:
    """(size,) sorted rows of one set of a block, a pure function of its arguments.

    Its place in the cube says how strongly it leans to memorized images (or away from them), how far from the middle of
    all embeddings its images lie, and how many classes it is drawn from. Raises BadValue for too few images.
    """
    n = len(about.labels)
    if 3 * block.size > n:
        raise BadValue(f"A set of a landscape can hold at most a third of the {n:,} training images, not {block.size}.")
    index = block.number * TOGETHER + number
    start = np.random.default_rng([block.seed, 0x1A]).random(3)
    hard, far, mixed = (start + (index + 1) * _STEP) % 1
    rng = np.random.default_rng([block.seed, 0x1A, index])
    order = rng.permutation(np.unique(about.labels))
    # Few classes lie together and all of them everywhere, so all classes are drawn from as often as few.
    wanted = [*sorted({1, 2, 5} & set(range(1, len(order)))), len(order), len(order)]
    count, candidates = wanted[int(mixed * len(wanted))], np.zeros(0, np.int64)
    for i, label in enumerate(order):  # more classes where the wanted ones are too small
        if i >= count and len(candidates) >= block.size:
            break
        own = np.flatnonzero(about.labels == label)
        candidates = np.r_[candidates, rng.permutation(own)[: int(MOST * len(own))]]
    lean = (-10 + 40 * hard) * _ranks(about.memorization[candidates], candidates)
    lean += (-10 + 20 * far) * _ranks(about.sums.squares[candidates], candidates)
    # The largest of sums with Gumbel noise are a draw without replacement, by weights exp(lean).
    noisy = lean + rng.gumbel(size=len(candidates))
    return np.sort(candidates[np.argsort(-noisy, kind="stable")[: block.size]])


def _ranks(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1; equals by row."""
    ranks = np.empty(len(rows))
    ranks[np.lexsort((rows, np.round(scores, 9)))] = np.linspace(0, 1, len(rows))
    return ranks


def _sets(store: Store, block: LandscapeSets, tell: Tell) -> Result:
    about = seen(store, block.bank, tell)
    rows = [draw(about, block, number) for number in range(TOGETHER)]

    def make(out: Draft) -> None:
        out.arrays(rows=np.stack(rows))
        lines = [
            {"set": block.number * TOGETHER + i, "seed": LANDSCAPE + i % block.originals} | facts_of(about, r)
            for i, r in enumerate(rows)
        ]
        out.table(pd.DataFrame(lines))

    return store.remember(block, make, device=numerics)


MAKERS |= {LandscapeSets: _sets}
