"""The most memory that a process of a study will take, reckoned from the shapes of what lies there at once, on top of
what a finished study's processes took beyond the same reckoning: the libraries, above all.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from unlearn_core.data import Dataset
from unlearn_core.device import pick_device
from unlearn_core.ensembles import bytes_of, goes_dense, goes_stacked
from unlearn_core.experiment.forecast import peak
from unlearn_core.experiment.study import Study
from unlearn_core.experiment.trained_models import trained_together
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.rum import PARTS
from unlearn_core.training import ASKED, TRAJECTORY, Training
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.descent import GradientUnlearner
from unlearn_core.unlearning.stacked import AT_ONCE, only_says_its_loss

SAME, OTHER = 1.25, 1.5  # by what it may be off, by runs of the same model, and of another one
LIBRARIES = 750.0  # megabytes of a process on a CPU that did a little of everything with small nets, without images
OPTIMISERS = 150.0  # megabytes of the compiler that torch's optimisers load; stacks of linear layers do without
MAP = 260.0  # megabytes of the library that lays all images on one plane, for 1,700 and for 6,000 images
COPIES = 5  # of the weights: themselves, gradients, momentum, the original, the last ones that were finite
BACK = 1.5  # what a step takes in all, in what it keeps: gradients on their way back and the room of convolutions
ASIDE = 3  # the largest pieces that a model holds at once while it is only asked


def study_memory(finished: OpenStudy, study: Study, images: Dataset) -> tuple[float, float, str]:
    """(megabytes, factor, device): the most that a process of a study may take on the device, and by what that may be
    off either way, by the runs of a finished study.

    Against processes of the CPU that were measured, it is off by 1.11 at most: stacks of the nets for digits (cnn 1.02,
    by the mlp), and on 5,000 images of 3x32x32 one by one a ResNet-9 of width 16 (1.11 too little) and a ResNet-20
    (1.00). Of what the two take beyond a small net's process it says 0.74 and 1.00. To these comes the drawing of the
    map, once in the process of a job: with it a study of a CNN of width 48 on digits was told 1.02 too little by the
    example. Where the finished study's runs were made in the process that drew its map, it counts twice (1.2 too much).
    On a GPU nothing was measured.
    """
    measured, device = peak(finished)
    here = pick_device().type
    bottom = LIBRARIES if here == "cpu" else 0.0
    if measured and device == here:
        bottom = max(0.0, measured - _of(finished.spec, finished.data))
    alike = study.training.model == finished.spec.training.model
    bottom += MAP if here == "cpu" else 0.0
    return bottom + _of(study, images), SAME if alike else OTHER, here


def _of(study: Study, images: Dataset) -> float:
    plans = (getattr(plan, part) for plan in study.plans for part in PARTS)
    models = max(study.models, 2 * study.seeds)
    return reckoned_megabytes(study.training, images, models, (*study.unlearners, *plans))


def reckoned_megabytes(training: Training, images: Dataset, models: int, unlearners: Iterable[Unlearner] = ()) -> float:
    """Megabytes of what lies in the memory of one process, of its libraries only what not every process loads: the
    images, and whatever is more, the training of so many models in stacks as they go together, or a run of one of the
    algorithms, or asking a model.
    """
    n, pixels = len(images.train.y), prod(images.train.x.shape[1:])
    unlearners, (weights, kept, largest) = tuple(unlearners), bytes_of(training, images)
    half = 0.5 if training.precision == "bfloat16" else 1.0
    stacked = goes_stacked(training, images)
    members = min(models, trained_together(training, images))
    batch = min(training.batch, n)
    # Logits of an epoch with their softmax, what is written down of training, and the order of the images.
    told = n * (12 * len(images.classes) + 4 * len(TRAJECTORY) + 8)
    trains = members * (COPIES * weights + BACK * half * kept * batch + told)
    trains += batch * weights if training.noise else 0  # the gradients of single images
    looked_at = max((2 * getattr(u, "batch", 0) for u in unlearners), default=0)  # to forget, and to keep
    runs = (AT_ONCE if stacked else 1) * (COPIES * weights + BACK * kept * min(looked_at, n))
    asks = ASIDE * largest * ASKED
    splits = pixels * (2 * n + 2 * len(images.validation.y) + len(images.test.y))  # a copy lies as convolutions like it
    floats = 4 * pixels * n if stacked else 0  # what nets of linear layers read
    alone = any(isinstance(u, GradientUnlearner) and not only_says_its_loss(u) for u in unlearners)
    loaded = OPTIMISERS if alone or not goes_dense(training, images) else 0.0
    return (splits + floats + max(trains, runs, asks)) / 1e6 + loaded
