"""A look ahead: whether a study's request fits its images, before hours are spent on the bank."""

from __future__ import annotations

import numpy as np

from unlearn_core.entanglement import EmbeddingSums
from unlearn_core.experiment.own_weights import there
from unlearn_core.experiment.pace import images_here
from unlearn_core.experiment.study import Study, methods
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.unlearned_models import refuse
from unlearn_core.forget import Known
from unlearn_core.models import new_model
from unlearn_core.params import BadValue
from unlearn_core.store import Store


def fault(store: Store, study: Study, rows: np.ndarray) -> str:
    """Why one of a study's algorithms or plans cannot be asked to forget these rows, as a sentence; empty where all
    can. The scores that its plans cut by must be there.
    """
    try:
        for unlearner in dict.fromkeys(u for m in methods(store, study, rows, {}) for u in m.unlearners):
            refuse(store, study.training, rows, unlearner)
    except BadValue as error:
        return str(error)
    return ""


def rehearse(store: Store, study: Study) -> tuple[int, int] | None:
    """(images to forget, training images) of a study; None while its images are not on this machine yet.

    The rule chooses by made-up scores, so how many it names is right, and which is not. Raises BadValue where the rule,
    the images or the model do not fit each other, and where a model from elsewhere is not in the store.
    """
    there(store, study.training)
    if not images_here(store, study.training):
        return None
    images = dataset(store, study.training.data)
    new_model(study.training.model, images, 0, study.training.width)
    n = len(images.train.y)
    made_up = np.arange(n, dtype=float)
    known = Known(
        labels=images.train.y.numpy(),
        classes=images.classes,
        memorization=lambda: made_up / n,
        sums=lambda: EmbeddingSums(made_up[:, None]),
        mislabelled=images.mislabelled,
    )
    rows = study.forget.choose(known)
    for unlearner in getattr(study, "unlearners", ()):
        refuse(store, study.training, rows, unlearner)
    return len(rows), n
