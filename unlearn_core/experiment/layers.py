"""Layer by layer: how alike a model computes to its original, beside what retraining reads and two retrained models.

A diagnostic, no verdict: methods that change the last layer alone leave all others as they were, and that may be all
that the outputs need.
"""

from __future__ import annotations

import time
from collections import OrderedDict

import numpy as np
import pandas as pd
import torch
from torch import nn

from unlearn_core.data import Images
from unlearn_core.device import numerics
from unlearn_core.evaluation import linear_cka, over_seeds, paired_difference, values_of
from unlearn_core.experiment.comparison import CEILING, ORIGINAL, RETRAINED, side_of_zero
from unlearn_core.experiment.door import MAKERS, fulfil
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import load_model
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.models import Classifier
from unlearn_core.params import Spec, param, spec
from unlearn_core.progress import Tell
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import embed

GROUPS = ("forget", "test")
FORMS = ("debiased", "plain")
# Images that the debiased form needs.
FEWEST = 4


@spec
class LayerCka(Spec):
    """How alike all models of a study are to the original and to the retrained one, layer by layer."""

    name: str = param("Layer by layer", help="what the comparison is called")
    study: Study = param(help="the finished study")
    images: int = param(1000, 4, 20_000, help="at most so many forgotten and so many test images are looked at")


def finished(study: OpenStudy) -> pd.DataFrame | None:
    """A line for each model, layer and group of images; None while it was not made.

    `method`, `seed`; `layer` (0, 1, ... from the input on) and `name` of the layer in the model; `on` ("forget" or
    "test") and `images`, how many; `to` ("original" or "retrained", of the same seed); `plain` and `debiased`, linear
    CKA, 1 = the same up to rotation and scale; NaN where features do not vary or images are fewer than 4.
    Convolutions are averaged over positions. Models whose layers are not the original's have no lines.
    """
    result = study.store.find(LayerCka(study=study.spec))
    return None if result is None else result.table()


def means(table: pd.DataFrame, form: str = "debiased") -> pd.DataFrame:
    """Mean over seeds: `method`, `layer`, `name`, `on`, `to`, `images`, `mean`, `half_width` of the 95 % interval, and
    `side`: 1 or -1 where it is beyond the spread of seeds above or below what the retrained model reads in the
    method's place (for `to` retrained: the second retrained model), 0 where not, None where nobody can say.
    """
    judge = {ORIGINAL: RETRAINED, RETRAINED: CEILING}
    wide = table.pivot_table(index=["on", "to", "layer", "method"], columns="seed", values=form, dropna=False)
    lines = []
    for (method, layer, on, to), group in table.groupby(["method", "layer", "on", "to"], sort=False):
        found = over_seeds(values_of(group[form]))
        own, other = (_values(wide, (on, to, layer, name)) for name in (method, judge[to]))
        side = side_of_zero(paired_difference(own, other)) if other else None
        head = {"method": method, "layer": layer, "name": group["name"].iloc[0], "on": on, "to": to}
        head |= {"images": int(group["images"].iloc[0]), "mean": found.mean, "half_width": found.half_width}
        lines.append(head | {"side": side})
    return pd.DataFrame(lines).astype({"side": object, "mean": float, "half_width": float})


def _values(wide: pd.DataFrame, place: tuple) -> list[float | None]:
    return values_of(wide.loc[place]) if place in wide.index else []


# -- what layers compute -----------------------------------------------------------------------------------------------


def activations(model: Classifier, images: Images) -> OrderedDict[str, np.ndarray]:
    """Name -> (N, C) float32 output of every linear and convolutional layer, in the order in which they are used, in
    eval mode; convolutions averaged over positions. One batch after the other, so a whole layer of feature maps never
    lies in memory. The model stays as it is.
    """
    kept: OrderedDict[str, list] = OrderedDict()

    def keep(name: str):
        def hook(module, inputs, output) -> None:
            kept.setdefault(name, []).append(
                output.detach().flatten(2).mean(2).cpu() if output.ndim > 2 else output.cpu()
            )

        return hook

    layers = [(name, m) for name, m in model.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    hooks = [module.register_forward_hook(keep(name)) for name, module in layers]
    try:
        with torch.inference_mode():
            features = torch.from_numpy(embed(model, images))  # in batches, through all but the head
            for batch in features.split(1024):
                model.head(batch.to(model.mean.device))
    finally:
        for hook in hooks:
            hook.remove()
    return OrderedDict((name, torch.cat(parts).float().numpy()) for name, parts in kept.items())


def alike(own: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[dict] | None:
    """A line for each layer of two models: `layer`, `name`, and CKA in both FORMS; None where their layers differ."""
    if list(own) != list(other):
        return None
    lines = []
    for layer, name in enumerate(own):
        enough = len(own[name]) >= FEWEST
        values = [linear_cka(own[name], other[name], form == "debiased") if enough else None for form in FORMS]
        lines.append({"layer": layer, "name": name} | dict(zip(FORMS, values, strict=True)))
    return lines


def _layer_cka(store: Store, asked: LayerCka, tell: Tell) -> Result:
    study, began = OpenStudy(store, fulfil(store, asked.study, tell)), time.perf_counter()
    groups = {
        "forget": _some(study.data.train, study.forget, asked.images),
        "test": _some(study.data.test, np.arange(len(study.data.test.y)), asked.images),
    }
    methods, lines = list(dict.fromkeys(study.table["method"])), []
    for seed in range(asked.study.seeds):
        training = asked.study.training.but(seed=seed)

        def seen(method: str, training=training, seed=seed) -> dict:
            model = load_model(store, training, study.run_result(method, seed))
            return {on: activations(model, images) for on, images in groups.items() if len(images.y)}

        references = {name: seen(name) for name in (ORIGINAL, RETRAINED)}
        for done, method in enumerate(methods, start=1 + seed * len(methods)):
            own = references.get(method) or seen(method)
            for to, reference in references.items():
                for on in own if to != method else ():
                    head = {"method": method, "seed": seed, "on": on, "images": len(groups[on].y), "to": to}
                    lines += [head | line for line in alike(own[on], reference[on]) or ()]
            tell("layers", done, asked.study.seeds * len(methods))

    def make(draft: Draft) -> None:
        draft.seconds = time.perf_counter() - began
        draft.table(pd.DataFrame(lines).astype(dict.fromkeys(FORMS, float)))

    return store.remember(asked, make, device=numerics)


def _some(images: Images, rows: np.ndarray, most: int) -> Images:
    """At most so many of these images, evenly spaced: the same ones for every model."""
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    rows = torch.from_numpy(rows)
    return Images(images.x[rows], images.y[rows])


MAKERS[LayerCka] = _layer_cka
