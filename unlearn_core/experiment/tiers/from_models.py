"""Numbers that outputs cannot give: from the features, weights and gradients of the models of one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unlearn_core import evaluation
from unlearn_core.data import Dataset, Images
from unlearn_core.experiment.measures import Target
from unlearn_core.experiment.tiers.from_outputs import line
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue
from unlearn_core.probes import gradients, linear_probe, perturbed, relearn
from unlearn_core.progress import Tell
from unlearn_core.training import embed, predict

# The anamnesis index asks when this share of the original's accuracy on the forget images is reached again.
REGAINED = 0.95
# Golatkar et al. stop where the mean loss on the forget images is at most this.
RELEARNED_LOSS, LONGEST = 0.1, 100
ASKED = 500  # forget images that are asked while a model relearns


@dataclass(frozen=True)
class Inner:
    """One model, and what is asked of it once."""

    model: Classifier
    images: Dataset
    target: Target

    @cached_property
    def features(self) -> dict[str, np.ndarray]:
        """Features before the last layer, of the same groups as a Seen has."""
        train, test = (embed(self.model, split) for split in (self.images.train, self.images.test))
        rows = {"forget": self.target.forget} | self.target.parts | {"retain": self.target.retain}
        return {name: train[own] for name, own in rows.items()} | {"test": test}

    @cached_property
    def weights(self) -> list[np.ndarray]:
        return [p.detach().double().cpu().numpy() for p in self.model.parameters()]

    @property
    def forget(self) -> Images:
        return self.images.train.take(self.target.forget)


def lines(own: Inner, judge: Inner, changed: perturbed.Perturbed) -> Iterator[dict]:
    """All lines of a model; `judge` is the retrained model it is compared with, `changed` the forget images as they
    were perturbed before any unlearned model was looked at.
    """
    for name, features in own.features.items():
        for metric, debiased in (("linear_cka", False), ("debiased_cka", True)):
            ask = lambda f=features, n=name, d=debiased: evaluation.linear_cka(f, judge.features[n], d)  # noqa: E731
            yield _tried(metric, ask, name, "the features do not vary")
    yield _tried("weight_distance", lambda: evaluation.weight_distance(own.weights, judge.weights))
    yield _tried("relative_weight_distance", lambda: evaluation.relative_weight_distance(own.weights, judge.weights))
    efficacy = lambda: _finite(evaluation.efficacy(gradients.gradient_norms(own.model, own.forget)))  # noqa: E731
    yield _tried("epistemic_efficacy", efficacy, "forget", "no image has a gradient, so it is infinite")
    probe = lambda: linear_probe.linear_probe(own.model, own.images.train, own.target.forget).accuracy  # noqa: E731
    yield _tried("linear_probe_accuracy", probe, "forget")
    outputs = predict(own.model, changed.images)
    degree = evaluation.degree_of_unlearning(changed.after, evaluation.accuracy(outputs.logits, outputs.labels))
    yield line("degree_of_unlearning", degree, "forget", changed.used)


def relearned(models: dict[str, Inner], seed: int, orders: int, tell: Tell) -> Iterator[dict]:
    """How soon each kind of model learns the forget images again, a line a kind: taught all training images in the same
    orders.
    """
    first = models["original"]
    images, forget, by = first.images.train, first.target.forget, ""
    if len(forget) > ASKED:  # they are asked after every step
        by = f"{ASKED} of {len(forget):,} images"
        forget = np.sort(np.random.default_rng([seed, 0x2E]).choice(forget, ASKED, replace=False))
    outputs = predict(first.model, images.take(forget))
    original = evaluation.accuracy(outputs.logits, outputs.labels)
    target = REGAINED * original
    curves = {}
    for kind, own in models.items():
        curves[kind] = relearn.accuracy_curves(own.model, images, forget, orders, seed, target=target, tell=tell)
        losses = relearn.loss_curves(own.model, images, forget, orders, seed, threshold=RELEARNED_LOSS, tell=tell)
        times = [evaluation.relearn_time(curve, RELEARNED_LOSS, falling=True) for curve in losses]
        never = sum(bool(t.why) for t in times)
        why = f"at least: {never} of {orders} orders did not get there in {LONGEST} epochs" if never else ""
        found = line("relearn_time", float(np.mean([t.value for t in times])), "forget", by, why)
        yield {"kind": kind, "bound": int(never > 0)} | found
    for kind in models:
        judge = curves["retrained" if kind == "again" else "again"]
        found = [
            evaluation.anamnesis_index(original, own, other, 1 - REGAINED, judge.before)
            for own, other in zip(curves[kind].after, judge.after, strict=True)
        ]
        known = [f.value for f in found if f.value is not None]
        why = next((f.why for f in found if f.why), "")
        # Of two retrained models the index is 1 but for chance, so a bound leaves nothing open there.
        bound = 0 if kind in ("retrained", "again") else {"at least": 1, "at most ": -1}.get(why[:8], 0)
        found = line("anamnesis_index", float(np.mean(known)) if known else None, "forget", by, why)
        yield {"kind": kind, "bound": bound} | found


def _tried(metric: str, ask: Callable[[], float | None], on: str = "", unknown: str = "") -> dict:
    """A line whose value may be impossible for this model: then it says why."""
    try:
        value = ask()
    except BadValue as error:
        return line(metric, None, on, why=str(error))
    return line(metric, value, on, why="" if value is not None else unknown)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
