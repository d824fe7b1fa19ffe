"""A model that was unlearned elsewhere, as a file of weights, beside models retrained here by a recipe.

There is one such model and no second seed of it, so only the retrained models say what is chance: it is off target
where it reads as few of them would.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unlearn_core import evaluation
from unlearn_core.device import numerics
from unlearn_core.experiment.among_retrained import Placed, closeness_to, furthest, of_each, outside
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.measures import Target, measure
from unlearn_core.experiment.model_seeds import AGAIN
from unlearn_core.experiment.own_weights import GONE, OwnWeights, keep
from unlearn_core.experiment.trained_models import SPLITS, all_logits, dataset, load_model, train_all
from unlearn_core.models import FIXED_WIDTH, MODELS
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.rows import check_forget, pack, unpack
from unlearn_core.store import Store
from unlearn_core.training import Training

KINDS = {"given": "Your model", "retrained": "Retrained", "original": "Original"}


@spec
class Judged(Spec):
    """One unlearned model from elsewhere against retrained models of a recipe."""

    name: str = param("A model of your own", help="what the model is called")
    training: Training = param(Training(), help="how the retrained models are trained")
    forget: str = param(help="row numbers of the training images that the model should have forgotten")
    weights: OwnWeights = param(help="the model")
    seeds: int = param(3, 2, 20, help="pairs of retrained models it is compared with")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "training", self.training.afresh.but(seed=0, without=""))
        t, w = self.training, self.weights
        if (t.data, t.model, _width(t.model, t.width)) != (w.data, w.model, _width(w.model, w.width)):
            raise BadValue("The retrained models must be of the same images and the same architecture as yours.")


def _width(model: str, width: int) -> int:
    return MODELS[model].width if model in FIXED_WIDTH else width or MODELS[model].width


# -- the judgement -----------------------------------------------------------------------------------------------------


def ask(store: Store, name: str, training: Training, forget: str, source: bytes | Path, seeds: int = 3) -> Judged:
    """The judgement of a file of weights, which is checked and kept now; nothing is trained yet. Raises BadValue."""
    n = len(dataset(store, training.data).train.y)
    rows = check_forget(unpack(forget, n), n)
    weights = keep(store, training, source)
    return Judged(name=name, training=training, forget=pack(rows), weights=weights, seeds=seeds)


def _judged(store: Store, wanted: Judged, tell: Tell) -> Result:
    kept, images = store.find(wanted.weights), dataset(store, wanted.training.data, tell)
    if kept is None:
        raise BadValue(GONE)
    n, seeds = len(images.train.y), range(wanted.seeds)
    goal = Target(images.train.y.numpy(), images.test.y.numpy(), check_forget(unpack(wanted.forget, n), n), {})
    own = [wanted.training.but(seed=seed) for seed in seeds]
    specs = [*own, *(t.but(seed=t.seed + a, without=wanted.forget) for a in (0, AGAIN) for t in own)]
    found = [result.arrays("logits") for result in train_all(store, specs, tell)]
    originals, retrained, again = (found[i * wanted.seeds : (i + 1) * wanted.seeds] for i in range(3))
    tell("measuring", 0, 1)
    logits = all_logits(load_model(store, wanted.training, kept), images)
    lines = []
    for s in seeds:
        # As in a study: one retrained model is the reference, the other the one that attacks compare with.
        compared = {"given": logits, "retrained": retrained[s], "retrained-again": again[s], "original": originals[s]}
        for kind, theirs in compared.items():
            judge = retrained[s] if kind == "retrained-again" else again[s]
            lines.append({"kind": kind, "seed": s} | measure(goal, theirs, retrained[s], judge, None))

    def make(draft: Draft) -> None:
        draft.table(pd.DataFrame(lines))
        draft.json("about", {"forget": len(goal.forget)})
        draft.arrays("logits", **{split: logits[split] for split in SPLITS})

    result = store.remember(wanted, make, device=numerics)
    tell("measuring", 1, 1)
    return result


METRICS = (
    "tow", "attack_auc", "mia_efficacy", "forget_disagreement", "forget_accuracy", "retain_accuracy",
    "test_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A finished judgement. `table`: a line for each of KINDS that is shown, and for each of METRICS its mean over the
    models of that kind and, as NAME_low and NAME_high, the least and the largest value. The ToW of a model is its mean
    against all retrained models but itself; disagreement is that with the retrained model of each pair.

    `models` counts the retrained models. `closeness` and `attack` place the given model among them by its ToW and by
    the AUC of the confidence attack.
    """

    spec: Judged
    forget: int
    table: pd.DataFrame
    models: int
    closeness: Placed
    attack: Placed


def judgements(store: Store) -> list[Verdict]:
    """All finished judgements, the newest first."""
    return [_verdict(result) for result in store.results("Judged")]


def _verdict(result: Result) -> Verdict:
    lines = result.table()
    own = {kind: lines[lines["kind"] == kind] for kind in ("given", "original", "retrained", "retrained-again")}
    # The two retrained models of a pair are trained alike, so they are so many retrained models.
    retrained = pd.concat([own["retrained"], own["retrained-again"]])
    models = {"given": own["given"].iloc[:1], "retrained": retrained, "original": own["original"]}
    apart = {"given": own["given"], "retrained": own["retrained-again"], "original": own["original"]}
    close = closeness_to(retrained), {kind: closeness_to(retrained, models[kind]) for kind in ("given", "original")}
    tow = {"retrained": of_each(close[0])} | {kind: found.mean(axis=1) for kind, found in close[1].items()}
    found = {}
    for kind, title in KINDS.items():
        row = {"title": title}
        for name in METRICS:
            values = apart[kind][name] if name == "forget_disagreement" else models[kind][name]
            values = (pd.Series(tow[kind]) if name == "tow" else values).astype(float)
            row |= {name: evaluation.over_seeds(values.dropna().tolist()).mean}
            row |= {f"{name}_low": values.min(), f"{name}_high": values.max()}
        found[kind] = row
    table = pd.DataFrame.from_dict(found, orient="index")
    return Verdict(
        spec=result.spec(),
        forget=result.json("about")["forget"],
        table=table,
        models=len(retrained),
        closeness=furthest(close[1]["given"][0], close[0]),
        attack=outside(table.loc["given", "attack_auc"], retrained["attack_auc"].tolist()),
    )


MAKERS[Judged] = _judged
