"""Tier 2: what someone reads who has the model before and after the deletion of a single image."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd

from unlearn_core.attacks.inversion import ascent_target
from unlearn_core.data import Images
from unlearn_core.device import SMALL, numerics
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.tiers.from_outputs import line
from unlearn_core.experiment.tiers.subject import Subject, runs
from unlearn_core.experiment.trained_models import dataset, load_model
from unlearn_core.experiment.unlearned_models import Run, refuse
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.probes import inversion as probe
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.rows import others, pack, unpack
from unlearn_core.rum import Rum
from unlearn_core.store import Store
from unlearn_core.unlearning import Unlearner

# Deletions whose image is reconstructed, in so many steps, and the images it is looked for among.
PICTURED, STEPS, CANDIDATES = 10, 300, 1000
TOO_LARGE = "images are reconstructed on nets below a million weights only"


@spec
class Inversion(Spec):
    """Deletions of one image each by one algorithm, from the original of seed 0, and what is read from them."""

    subject: Subject = param(help="whose algorithm deletes; its forget images come first")
    requests: int = param(100, 1, 10_000, help="how many images are deleted, each by itself")


def deletions(store: Store, wanted: Inversion) -> list[Run]:
    """A run for each image: forget images first, then others by chance; of a plan only those its parts hold."""
    subject, seed = wanted.subject, wanted.subject.training.seed
    n = len(dataset(store, subject.training.data).train.y)
    forget = unpack(subject.forget, n)
    rng = np.random.default_rng([seed, 0x1A])
    rows = rng.permutation(forget)
    if not isinstance(subject.unlearner, Rum):
        rows = np.r_[rows, rng.permutation(others(forget, n))]
    return [
        Run(training=subject.training, forget=pack([row]), unlearner=_alone(subject.unlearner, int(row)), seed=seed)
        for row in rows[: wanted.requests]
    ]


def _alone(unlearner: Unlearner, row: int) -> Unlearner:
    """The algorithm that a single image meets: of a plan, that of its part."""
    if not isinstance(unlearner, Rum):
        return unlearner
    return next(part.unlearner for part in unlearner.parts if row in unpack(part.rows, 10**9))


def _inversion(store: Store, wanted: Inversion, tell: Tell) -> Result:
    subject, started = wanted.subject, time.perf_counter()
    images, todo = dataset(store, subject.training.data).train, deletions(store, wanted)
    lines = []
    try:
        for run in {run.unlearner: run for run in todo}.values():
            refuse(store, run.training, unpack(run.forget, len(images.y)), run.unlearner)
        original = load_model(store, subject.training, fulfil(store, subject.training, tell))
        probes = probe.class_probes(original, tuple(images.x.shape[1:]), seed=subject.training.seed, tell=tell)
    except BadValue as error:  # an algorithm for whole classes cannot delete one image
        lines = list(_unknown(str(error)))
    if not lines:
        made = dict(zip((unpack(r.forget, len(images.y))[0] for r in todo), runs(store, todo, tell), strict=True))
        ways = {
            "unlearned": lambda _, row: load_model(store, subject.training, made[row]),
            # What must be read, and what must not: neither is a retrained model, but they stand where those stand.
            "original": probe.one_step_up(images),
            "retrained": probe.further_training(images),
        }
        try:
            for kind, unlearn in ways.items():
                audit = probe.audit(original, images, np.array(list(made)), unlearn, probes, tell=tell)
                pictured = _reconstructed(original, images, list(made)[:PICTURED], unlearn)
                lines += [{"kind": kind} | each for each in chain(_read(audit), pictured)]
        except BadValue as error:
            lines = list(_unknown(str(error)))

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - started
        draft.table(pd.DataFrame(lines).assign(unit="deletions"))

    return store.remember(wanted, make, device=numerics)


def _read(audit: probe.InversionAudit) -> Iterator[dict]:
    """A line for each deletion and way of reading it: whether its class was guessed, and which share of the other
    candidates the image was found before.
    """
    for by, guesses in (("last layer", audit.bias_guesses), ("probes", audit.probe_guesses)):
        for number, (guess, label) in enumerate(zip(guesses, audit.labels, strict=True)):
            yield line("inversion_label_accuracy", float(guess == label), "", by) | {"seed": number}
    for by, ranks, candidates in (
        ("among all", audit.ranks, audit.candidates),
        ("within the class", audit.own_ranks, audit.own_candidates),
    ):
        for number, (rank, count) in enumerate(zip(ranks, candidates, strict=True)):
            place = (count - rank) / (count - 1) if count > 1 else None
            yield line("inversion_retrieval", place, "", by) | {"seed": number}


def _reconstructed(original: Classifier, images: Images, rows: list[int], unlearn: probe.Unlearn) -> Iterator[dict]:
    """The same for reconstructions by gradient matching, for which the labels are given."""
    if sum(p.numel() for p in original.parameters()) > SMALL:
        yield line("inversion_retrieval", None, "", "gradient matching", TOO_LARGE) | {"seed": 0}
        return
    before, candidates = probe.weights(original), images.x[:CANDIDATES].numpy() / 255
    for number, row in enumerate(rows):
        target = ascent_target(before, probe.weights(unlearn(copy.deepcopy(original), row)))
        place = 0.5  # where nothing was changed, nothing points anywhere
        if any(each.any() for each in target):
            shape, label = tuple(images.x.shape[1:]), int(images.y[row])
            found = probe.reconstruct(original, target, label, shape, STEPS, seed=row)
            rest = np.flatnonzero(np.arange(len(candidates)) != row)
            compared = np.concatenate([images.x[[row]].numpy() / 255, candidates[rest]])
            place = (len(compared) - probe.likeness(found.image, compared, 0).rank) / (len(compared) - 1)
        yield line("inversion_retrieval", place, "", "gradient matching") | {"seed": number}


def _unknown(why: str) -> Iterator[dict]:
    for metric in ("inversion_label_accuracy", "inversion_retrieval"):
        yield {"kind": "unlearned", "seed": 0} | line(metric, None, why=why)


MAKERS[Inversion] = _inversion
