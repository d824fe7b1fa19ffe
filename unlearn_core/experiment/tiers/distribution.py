"""Tier 3: many unlearned models beside many retrained ones, as distributions of what they say of each image."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from unlearn_core import evaluation
from unlearn_core.attacks.signals import margin
from unlearn_core.device import numerics
from unlearn_core.evaluation.challenge import points
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.tiers.overview import SPLITS
from unlearn_core.experiment.tiers.subject import KINDS, Subject, check, models
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store

# Split -> margins (N, n) of its images under N models.
Said = dict[str, np.ndarray]
FEWEST = 8
EACH = ("unlearned", "retrained")  # what each image is read for; the second is the ceiling
# Beyond all of 40 splits a perfect run lies by chance in one of twenty cases, counting both sides.
SPLITTINGS = 40


@spec
class Distribution(Spec):
    """Margins of all images under many unlearned, original and retrained models of one way of forgetting.

    Every unlearned model starts from an original of its own seed, so the spread holds that of training too.
    """

    subject: Subject = param(help="what is audited")
    models: int = param(64, FEWEST, 512, help="models of each kind")


def _distribution(store: Store, wanted: Distribution, tell: Tell) -> Result:
    check(store, wanted.subject)
    found = models(store, wanted.subject, range(wanted.models), tell)
    started = time.perf_counter()
    images, target = dataset(store, wanted.subject.training.data), wanted.subject.target(store)
    labels = {split: getattr(images, split).y.numpy() for split in ("train", "test")}
    said: dict[str, Said] = {}
    right: dict[str, list[dict]] = {}
    for kind in KINDS:
        margins, right[kind] = {split: [] for split in labels}, []
        for result in found[kind]:
            logits = result.arrays("logits")
            for split, y in labels.items():
                margins[split].append(margin(logits[split], y).astype(np.float32))
            right[kind].append(target.accuracies(logits))
        said[kind] = {split: np.stack(each) for split, each in margins.items()}
    numbers = lines(target, said, right, wanted.subject.training.seed, tell)

    def make(draft: Draft) -> None:
        for kind, margins in said.items():
            draft.arrays(kind, **margins)
        draft.table(pd.DataFrame(numbers))
        draft.table(each_image(target, said), "images")
        draft.seconds = time.perf_counter() - started

    return store.remember(wanted, make, device=numerics)


def margins(result: Result, kind: str, split: str = "train") -> np.ndarray:
    """(N, n) margins of a split under the models of a kind."""
    return result.arrays(kind)[split]


def lines(target: Target, said: dict[str, Said], right: dict[str, list[dict]], seed: int, tell: Tell) -> list[dict]:
    """What the distributions say, a line for each metric, group of images and kind of model.

    Unlearned and original models are compared with retrained ones of other seeds ("again"). What a perfect run reads is
    one half of all retrained models against the other half, split by chance again and again, a line for each split: as
    many models on each side.
    """
    both = {split: np.concatenate([said["retrained"][split], said["again"][split]]) for split in ("train", "test")}
    found = []
    for kind in ("unlearned", "original"):
        compared = _compared(target, said[kind], said["again"], _mean(right[kind]), _mean(right["again"]))
        found += [{"kind": kind, "seed": 0} | line for line in compared]
    rng, everyone = np.random.default_rng([seed, 0x4D]), right["retrained"] + right["again"]
    for split in range(SPLITTINGS):
        tell("splits of the retrained models", split, SPLITTINGS)
        halves = np.split(rng.permutation(len(everyone)), 2)
        sides = [{name: table[half] for name, table in both.items()} for half in halves]
        rights = [_mean([everyone[i] for i in half]) for half in halves]
        found += [{"kind": "retrained", "seed": split} | line for line in _compared(target, *sides, *rights)]
    return found


def _compared(
    target: Target,
    own: Said,
    reference: Said,
    own_right: dict[str, float],
    reference_right: dict[str, float],
) -> list[dict]:
    """The lines of one kind of model against another, with the mean accuracies of both."""
    groups = {"forget": target.forget} | target.parts | {"retain": target.retain}
    sides = {name: (own["train"][:, rows], reference["train"][:, rows]) for name, rows in groups.items()}
    sides["test"] = own["test"], reference["test"]
    found = []
    for name, (mine, theirs) in sides.items():
        values = {
            "klom": evaluation.klom(theirs, mine),
            "margin_shift": evaluation.margin_shift(mine, theirs),
            "margin_distance": evaluation.margin_distance(mine, theirs),
            "told_apart": evaluation.told_apart(mine, theirs),
        }
        found += [_line(metric, name, value) for metric, value in values.items()]
    mine, theirs = sides["forget"]
    epsilons = evaluation.example_epsilons(mine, theirs)
    stuck = int(np.isnan(epsilons).sum())
    why = f"{stuck} images on which no attack could be judged score 0" if stuck else ""
    quality = float(points(epsilons, len(mine)).mean())
    pair = [(each["retain"], each["test"]) for each in (own_right, reference_right)]
    return found + [
        _line("forgetting_quality", "forget", quality, why),
        _line("challenge_score", "", evaluation.challenge_score(quality, *pair)),
        _line("challenge_score_capped", "", evaluation.challenge_score(quality, *pair, capped=True)),
        _line("certified_quality", "forget", evaluation.certified_quality(mine, theirs)),
    ]


def each_image(target: Target, said: dict[str, Said]) -> pd.DataFrame:
    """One line per forget image: `row`, `part`, and for the unlearned models (and the retrained ones, as a ceiling)
    epsilon as the challenge's strongest attack reads it, as it is proved, and KLoM; all against the same retrained
    models.
    """
    theirs = said["again"]["train"][:, target.forget]
    part_of = {row: name for name, rows in target.parts.items() for row in rows}
    table = pd.DataFrame({"row": target.forget, "part": [part_of.get(row, "") for row in target.forget]})
    for kind in EACH:
        mine = said[kind]["train"][:, target.forget]
        table[f"{kind}_epsilon"] = evaluation.example_epsilons(mine, theirs)
        table[f"{kind}_proved"] = evaluation.split_half_epsilons(mine, theirs)
        table[f"{kind}_klom"] = evaluation.klom_each(theirs, mine)
    return table


def _line(metric: str, on: str, value: float | None, why: str = "") -> dict:
    return {"metric": metric, "on": on, "by": "", "value": value, "why": why, "unit": SPLITS}


def _mean(models: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in models])) for name in ("retain", "test")}


MAKERS[Distribution] = _distribution
