"""A stream of requests: one algorithm forgets one set after the other, and after each request all earlier sets are
measured again.

A stream is RUM with the same algorithm for every part: each step goes on from the model of the one before, and images
that are yet to be asked for stay in the retain set. The requests are laid down beforehand; a person who asks because of
what an earlier model shows is not covered (Gupta et al. (2021), arXiv:2106.04378).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import pandas as pd

from unlearn_core.attacks import auc
from unlearn_core.attacks.signals import margin
from unlearn_core.device import numerics
from unlearn_core.evaluation.drift import drift, newly_exposed
from unlearn_core.evaluation.seeds import over_seeds
from unlearn_core.experiment.bank import bank_columns
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.measures import Shadows, Target
from unlearn_core.experiment.memorized import bank_of
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.study import FEWEST
from unlearn_core.experiment.trained_models import dataset, train_all
from unlearn_core.experiment.unlearned_models import Run, refuse, run_all
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.params import BadField, BadValue, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.rows import check_forget, others, pack, unpack
from unlearn_core.rum import Part, Rum
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import Unlearner, short_name

KINDS = ("original", "unlearned", "retrained", "retrained-again")
METRICS = ("forget_accuracy", "attack_auc", "lira_auc")
# Whose rises are tested: models after a request against models before it; the last is unlearning's rise less
# retraining's.
RISES = ("unlearned", "retrained", "retrained-again", "beyond-retraining")


@spec
class Stream(Spec):
    """Sets forgotten one after the other by one algorithm, over several seeds, against a model retrained each time."""

    name: str = param("Stream", help="what the stream is called")
    training: Training = param(Training(), help="how the original and the retrained models are trained")
    requests: tuple = param(help="rows of each request, such as 3,7-9, in the order in which they are met")
    unlearner: Unlearner = param(help="the algorithm that meets every request")
    seeds: int = param(5, 2, 100, help="how many original models are unlearned")
    models: int = param(
        0, 0, 10_000, help="members of the bank for the likelihood-ratio attack; 0 = none, go by confidence"
    )
    stop_at: float = param(0.0, 0.0, 0.999, help="where the bank stops early; 0 = train all its models")

    def __post_init__(self):
        super().__post_init__()
        if len(self.requests) < 2 or not all(isinstance(text, str) for text in self.requests):
            raise BadValue("A stream is at least two requests, each as row numbers such as 3,7-9.")
        if 0 < self.models < FEWEST:
            raise BadField("models", f"must be at least {FEWEST}, or 0 for no bank, not {self.models}.")
        object.__setattr__(self, "training", self.training.but(seed=0, without=""))
        if not self.models:
            object.__setattr__(self, "stop_at", 0.0)

    @property
    def plan(self) -> Rum:
        """The stream as a plan: the same algorithm for each request."""
        return Rum(
            parts=tuple(
                Part(name=f"request {number}", rows=rows, unlearner=self.unlearner)
                for number, rows in enumerate(self.requests, 1)
            )
        )

    def rows(self, n: int) -> list[np.ndarray]:
        """The rows of each request among n training images. Raises BadValue where one is empty or two overlap."""
        rows = [check_forget(unpack(text, n), n) for text in self.requests]
        together = np.concatenate(rows)
        if len(np.unique(together)) != len(together):
            raise BadValue("Two requests name the same image; what is forgotten once cannot be asked for again.")
        check_forget(together, n)
        return rows


def deal_requests(rows: np.ndarray, count: int, seed: int = 0) -> tuple[str, ...]:
    """A forget set dealt at random into `count` requests without overlap, of sizes that differ by one at most.

    Raises BadValue for fewer than two requests and for fewer images than requests.
    """
    rows = np.unique(rows)
    if not 2 <= count <= len(rows):
        raise BadValue(f"{len(rows):,} images make 2 to {len(rows):,} requests, not {count:,}.")
    deck = np.random.default_rng([seed, 0x57]).permutation(rows)
    return tuple(pack(hand) for hand in np.array_split(deck, count))


# -- a finished stream -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """What a finished stream says. Requests and their sets are counted from 1.

    `summary` is plain JSON: `images` of each request; `score`, by which exposure is judged, "lira" or "confidence";
    `onion`, a line for each of RISES and step, with how many images were `tested`, are newly `exposed`, are so under
    retraining too, `crossed` 0, from where on a likelihood ratio calls them members (None without a bank), and the
    `median_rise`, which tells a rise of everyone from one of a few; `cost` in seconds; `diverged`, seeds.
    """

    key: str
    spec: Stream
    summary: dict
    result: Result

    @cached_property
    def table(self) -> pd.DataFrame:
        """A line per seed, request, set of this or an earlier request, and kind of model (KINDS): forget_accuracy,
        attack_auc (confidence against unseen test images of the set's classes), lira_auc (NaN without a bank),
        retain_accuracy (images not asked for so far) and test_accuracy.
        """
        return self.result.table()

    @cached_property
    def exposed(self) -> pd.DataFrame:
        """Images nobody asked to forget that became newly exposed: `models` (RISES), `since` (0 = the original model,
        or the request before), `request`, `row`, and `before`, `after`, `rise`, `p`, `q` of evaluation.drift.
        `retrained` says whether the image was found for retraining too. For beyond-retraining `before` is the rise by
        retraining and `after` the rise by unlearning.
        """
        return self.result.table("exposed")

    @property
    def gone(self) -> list[int]:
        """How many images are forgotten after each request."""
        return list(accumulate(self.summary["images"]))

    def drift(self, metric: str) -> pd.DataFrame:
        """How each set moved after it was forgotten, as evaluation.drift has it, for one of METRICS."""
        return drift(
            *(_cells(self.table, kind, metric) for kind in ("unlearned", "retrained", "retrained-again")),
            _cells(self.table, "original", metric),
        )

    def over_requests(self, metric: str) -> pd.DataFrame:
        """Means of a column of the table over seeds, with half widths, by request, set and kind."""
        if metric not in self.table.columns[4:]:
            raise BadValue(f"{metric!r} is not one of the measured columns.")
        lines = []
        for (request, number, kind), group in self.table.groupby(["request", "set", "kind"], sort=False):
            head = {"request": request, "set": number, "kind": kind}
            lines.append(head | vars(over_seeds(group[metric].tolist())))
        return pd.DataFrame(lines)


def asked(study: OpenStudy, method: str, requests: tuple[str, ...], seeds: int) -> Stream:
    """The stream in which one algorithm of a study meets these requests, with the study's bank."""
    return Stream(
        name=f"{study.means('group_tow')['title'][method]}, {len(requests)} requests in a row",
        training=study.spec.training,
        requests=requests,
        unlearner=study.run_result(method, 0).spec().unlearner,
        seeds=seeds,
        models=study.spec.models,
        stop_at=study.spec.stop_at,
    )


def finished(store: Store, stream: Stream) -> Finished | None:
    """A stream that was run; None while it was not."""
    result = store.find(stream)
    return None if result is None else opened(result)


def newest(study: OpenStudy, method: str) -> Finished | None:
    """The stream that was run last of those in which this algorithm met images of this study's set; else None."""
    training, unlearner = study.spec.training, study.run_result(method, 0).spec().unlearner
    for result in study.store.results("Stream"):
        stream = result.spec()
        same = stream.training == training.but(seed=0, without="") and stream.unlearner == unlearner
        if same and all(np.isin(unpack(rows, len(study.labels)), study.forget).all() for rows in stream.requests):
            return opened(result)
    return None


def opened(result: Result) -> Finished:
    return Finished(result.key, result.spec(), result.json("summary"), result)


def _cells(table: pd.DataFrame, kind: str, metric: str) -> np.ndarray:
    """(S, K, K) values by seed, request and set; NaN where a set was not asked for yet or nothing could be measured."""
    own = table[table["kind"] == kind]
    cells = np.full((own["seed"].max() + 1, own["request"].max(), own["request"].max()), np.nan)
    cells[own["seed"], own["request"] - 1, own["set"] - 1] = pd.to_numeric(own[metric])
    return cells


# -- running it --------------------------------------------------------------------------------------------------------


def _stream(store: Store, stream: Stream, tell: Tell) -> Result:
    images, training, seeds = dataset(store, stream.training.data, tell), stream.training, range(stream.seeds)
    rows = stream.rows(len(images.train.y))
    so_far = [np.sort(np.concatenate(rows[: k + 1])) for k in range(len(rows))]
    refuse(store, training, so_far[-1], stream.plan)  # before anything costs time

    bank = None
    if stream.models:
        bank = bank_of(training, stream.models, stream.stop_at)
        fulfil(store, bank, tell)
    originals = [training.but(seed=s) for s in seeds]
    without = [training.but(seed=a + s, without=pack(gone)) for a in (0, AGAIN) for gone in so_far for s in seeds]
    made = train_all(store, [*originals, *without], tell)
    runs = [Run(training=t, forget=pack(so_far[-1]), unlearner=stream.plan, seed=t.seed) for t in originals]
    unlearned = run_all(store, runs, tell)
    size = len(rows) * stream.seeds
    models = _Models(made[: stream.seeds], made[stream.seeds :][:size], made[stream.seeds :][size:], unlearned)

    measured = _Measured(
        images, rows, so_far, None if bank is None else bank_columns(store, bank, np.arange(len(images.train.y)))
    )
    lines, scores = [], {kind: [] for kind in KINDS[1:]}
    before = []
    for s in seeds:
        tell("measuring", s, stream.seeds)
        original = models.logits("original", s, 0)
        before.append(measured.exposure(original))
        by_request = {kind: [] for kind in scores}
        for k in range(len(rows)):
            now = {"original": original} | {kind: models.logits(kind, s, k) for kind in scores}
            lines += [{"seed": s} | line for line in measured.lines(k, now)]
            for kind in scores:
                by_request[kind].append(measured.exposure(now[kind]))
        for kind in scores:
            scores[kind].append(by_request[kind])
    exposed, onion = _onion(
        np.stack(before), {kind: np.array(x) for kind, x in scores.items()}, measured.kept, bank is not None
    )

    def make(draft: Draft) -> None:
        draft.table(pd.DataFrame(lines))
        draft.table(exposed, "exposed")
        draft.json(
            "summary",
            {
                "name": stream.name,
                "unlearner": short_name(stream.unlearner),
                "seeds": stream.seeds,
                "images": [len(r) for r in rows],
                "score": "confidence" if bank is None else "lira",
                "onion": onion,
                "cost": _cost(models, stream.seeds, len(rows)),
                "diverged": [s for s, run in enumerate(unlearned) if run.json("cost")["diverged_at"] is not None],
            },
        )

    return store.remember(stream, make, device=numerics)


@dataclass(frozen=True)
class _Models:
    """The models of a stream: those retrained in the order of requests, then seeds."""

    originals: list[Result]
    retrained: list[Result]
    again: list[Result]
    unlearned: list[Result]

    def logits(self, kind: str, seed: int, request: int) -> dict[str, np.ndarray]:
        """Logits of each split of one model after a request, counted from 0."""
        if kind == "original":
            return self.originals[seed].arrays("logits")
        if kind == "unlearned":
            return self.unlearned[seed].arrays(f"step{request}")
        made = self.retrained if kind == "retrained" else self.again
        return made[request * len(self.originals) + seed].arrays("logits")


class _Measured:
    """What is measured of the models of a stream, and on which images."""

    def __init__(self, images, rows: list[np.ndarray], so_far: list[np.ndarray], columns: tuple | None):
        labels, test_labels = images.train.y.numpy(), images.test.y.numpy()
        self.labels = labels
        self.sets = [Target(labels, test_labels, r, {}) for r in rows]
        self.gone = [Target(labels, test_labels, r, {}) for r in so_far]
        self.kept, self.shadows, self.kept_shadows = others(so_far[-1], len(labels)), [None] * len(rows), None
        if columns is not None:
            member, phi = columns
            self.shadows = [Shadows.of(member[:, r], phi[:, r]) for r in rows]
            # A likelihood ratio needs models on both sides.
            inside = member[:, self.kept].sum(axis=0)
            self.kept = self.kept[(inside > 0) & (inside < len(member))]
            self.kept_shadows = Shadows.of(member[:, self.kept], phi[:, self.kept])

    def lines(self, k: int, now: dict[str, dict]) -> list[dict]:
        """All sets asked for so far under each kind of model, after request k, counted from 0."""
        found = []
        for kind, logits in now.items():
            kept = self.gone[k].accuracies(logits)
            # Two retrained models are each other's example of a model that never saw the images.
            judge = now["retrained"] if kind == "retrained-again" else now["retrained-again"]
            for j in range(k + 1):
                own, shadows = self.sets[j], self.shadows[j]
                phi, lira = own.forget_margins(logits), None
                if shadows is not None:
                    lira = auc(shadows.score(phi), shadows.score(own.forget_margins(judge)))
                found.append(
                    {
                        "request": k + 1,
                        "set": j + 1,
                        "kind": kind,
                        "forget_accuracy": own.accuracies(logits)["forget"],
                        "attack_auc": auc(phi, own.test_margins(logits)),
                        "lira_auc": math.nan if lira is None else lira,
                        "retain_accuracy": kept["retain"],
                        "test_accuracy": kept["test"],
                    }
                )
        return found

    def exposure(self, logits: dict[str, np.ndarray]) -> np.ndarray:
        """(n,) membership score of every image that nobody asks to forget; higher = more exposed."""
        phi = margin(logits["train"][self.kept], self.labels[self.kept])
        return phi if self.kept_shadows is None else self.kept_shadows.score(phi)


def _onion(
    original: np.ndarray, scores: dict[str, np.ndarray], rows: np.ndarray, ratios: bool
) -> tuple[pd.DataFrame, list[dict]]:
    """Who of the images `rows` (n,) is newly exposed, from scores (S, n) of the originals and (S, K, n) of the others:
    the images, and a line of counts for each request, and for the whole stream, under each of RISES.

    `crossed` are those that likelihood `ratios` call members only now. From the original to the second retrained model
    the seed changes too, so less is found there.
    """
    requests = scores["unlearned"].shape[1]
    steps = [(k, k + 1) for k in range(requests)] + [(0, requests)]
    states = {kind: np.concatenate([original[:, None], x], axis=1) for kind, x in scores.items()}
    frames, counts = [], []
    for since, upto in steps:
        sides = {kind: (x[:, since], x[:, upto]) for kind, x in states.items()}
        sides["beyond-retraining"] = tuple(
            np.subtract(*pair[::-1]) for pair in (sides["retrained"], sides["unlearned"])
        )
        found = {name: newly_exposed(*sides[name]) for name in RISES}
        by_retraining = found["retrained"]["exposed"]
        for name, frame in found.items():
            head = {"models": name, "since": since, "request": upto}
            own = frame.assign(row=rows, retrained=by_retraining, **head)[frame["exposed"]]
            frames.append(own[[*head, "row", "before", "after", "rise", "p", "q", "retrained"]])
            crossed = int((own["before"].le(0) & own["after"].gt(0)).sum())
            counts.append(
                head
                | {
                    "tested": len(frame),
                    "exposed": int(frame["exposed"].sum()),
                    "also_retrained": int((frame["exposed"] & by_retraining).sum()),
                    "crossed": crossed if ratios and name != "beyond-retraining" else None,
                    "median_rise": float(frame["rise"].median()),
                }
            )
    return pd.concat(frames, ignore_index=True), counts


def _cost(models: _Models, seeds: int, requests: int) -> dict:
    """Seconds per request, means over seeds. The steps of a plan are timed together, so `unlearning` is a mean over the
    requests too; `retraining` is one number for each request, because what is left to train on shrinks.
    """
    whole = float(np.mean([run.manifest()["seconds"] for run in models.unlearned]))
    each = np.reshape([r.manifest()["seconds"] for r in models.retrained], (requests, seeds)).mean(axis=1)
    return {
        "unlearning": whole / requests,
        "unlearning_all": whole,
        "retraining": each.tolist(),
        "retraining_all": float(each.sum()),
        "speedup": float(each.sum()) / whole if whole else None,
    }


MAKERS[Stream] = _stream
