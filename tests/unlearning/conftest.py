"""Requests on the small dataset, with all that any algorithm may need."""

from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from unlearn_core.data import Data, load
from unlearn_core.models import Classifier
from unlearn_core.progress import silent
from unlearn_core.training import Training, learning_rate, steps_of, train
from unlearn_core.unlearning import ALGORITHMS, Request
from unlearn_core.unlearning.request import Batch, Fresh, History


@pytest.fixture
def asked(tiny, tiny_training, tiny_request):
    """asked(name=None, ...) -> a Request on `tiny` that the algorithm of this name can be asked (without one: any that
    takes single images); the rows that its recipe trained on are in asked.rows.
    """
    return asking(tiny, tiny_training, tiny_request)


def asking(images, training, tiny_request):
    """What `asked` is, for other labels of the same images and for another training of the original model."""
    everything = np.arange(len(images.train.y))

    def recipe(rows, seeds, tell=silent, start=None, epochs=None):
        epochs = epochs or 2
        for seed in seeds:
            make.rows.append(rows)
            fresh = train(training.but(seed=seed, epochs=epochs), images, rows, tell, start=start).model
            yield Fresh(fresh, -(-len(rows) // 32) * epochs, epochs * len(rows))

    def replay(watch):
        number = count()
        return train(
            training, images, everything, watch=lambda m, x, y, r: watch(next(number), m, Batch(x, y), r)
        ).model

    t, steps = training, steps_of(training, len(everything))
    history = History(
        steps, t.momentum, t.weight_decay, lambda step: learning_rate(t.lr, t.schedule, step, steps), replay
    )

    def make(name=None, **changes):
        if name is not None and "classes" in ALGORITHMS[name].needs:
            changes = {"forget": np.flatnonzero(images.train.y.numpy() == 1)} | changes
        unseen = Batch(images.validation.x, images.validation.y)
        given = {"y": images.train.y, "recipe": recipe, "validation": unseen, "history": history}
        return tiny_request(**given | changes)

    make.rows = []
    return make


@pytest.fixture(scope="session")
def with_batch_norm(tiny):
    """A small net with BatchNorm, untrained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        return Classifier(trunk, nn.Linear(144, 4), tiny.mean, tiny.std).eval()


@pytest.fixture(scope="session")
def on_digits(tmp_path_factory):
    """(images, a model that fits them, a request to forget 60 of 800)."""
    images = load(Data(train=800, test=200), tmp_path_factory.mktemp("data"))
    n = len(images.train.y)
    forget = np.sort(np.random.default_rng(0).choice(n, 60, replace=False))
    model = train(Training(epochs=12), images, np.arange(n)).model
    request = Request(
        images.train.x,
        images.train.y,
        forget,
        np.setdiff1d(np.arange(n), forget),
        10,
        validation=Batch(images.validation.x, images.validation.y),
    )
    return images, model, request
