"""Attacks that hold a model against a few retrained ones, the same images in all of them: RMIA and attack-R."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unlearn_core.attacks import auc, signals
from unlearn_core.attacks.references import attack_r
from unlearn_core.attacks.rmia import RAISED, halves, mean_probability, rmia_offline
from unlearn_core.experiment.tiers.from_outputs import Seen, line
from unlearn_core.experiment.tiers.subject import JUDGE


def lines(seen: dict[str, Sequence[Seen]], dataset: str, seed: int = 0) -> Iterator[dict]:
    """A line for each attack, kind of model and seed, from what the models of all seeds say.

    References never saw the forget images nor the test images: the second retrained models, and for these themselves
    the first. Half of the test images, the same for all models, are RMIA's population; the other half are the images
    that were never seen. Those of other classes than the forget images' are left out.
    """
    population, others = halves(len(seen["again"][0].unseen[1]), seed)
    why = "" if len(population) else "there are too few test images of these classes"
    for kind, models in seen.items():
        known = seen["again" if kind != "again" else JUDGE["again"]]
        probs = {part: np.stack([_probability(each, part) for each in known]) for part in ("forget", "unseen")}
        losses = {part: np.stack([_loss(each, part) for each in known]) for part in probs}
        for number, own in enumerate(models):
            head = {"kind": kind, "seed": number}
            if why:
                yield head | line("rmia_auc", None, "forget", why=why)
                continue
            scores = rmia_scores(own, probs, population, RAISED.get(dataset, 1.0))
            yield head | line("rmia_auc", auc(scores["forget"], scores["unseen"][others]), "forget")
            places = {part: attack_r(_loss(own, part), losses[part]) for part in probs}
            yield head | line("auc", auc(places["forget"], places["unseen"][others]), "forget", "attack_r")


def rmia_scores(own: Seen, probs: dict[str, np.ndarray], population: np.ndarray, a: float) -> dict[str, np.ndarray]:
    """RMIA's scores of the forget and the unseen images under one model."""
    reference = {part: mean_probability(each) for part, each in probs.items()}
    bar = _probability(own, "unseen")[population], reference["unseen"][population]
    return {part: rmia_offline(_probability(own, part), reference[part], *bar, a=a) for part in probs}


def _pair(own: Seen, part: str) -> tuple[np.ndarray, np.ndarray]:
    return own.unseen if part == "unseen" else own.groups[part]


def _probability(own: Seen, part: str) -> np.ndarray:
    return signals.confidence(*_pair(own, part))


def _loss(own: Seen, part: str) -> np.ndarray:
    return signals.loss(*_pair(own, part))
