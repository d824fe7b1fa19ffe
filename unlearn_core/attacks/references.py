"""Attack-P and Attack-R: a loss set beside other losses, of other images or of other models.

Losses are cross-entropies in nats, at least 0; scores are higher = more likely a member, as everywhere here.
Source: Ye, Maddi, Murakonda, Bindschaedler, Shokri (2022), "Enhanced Membership Inference Attacks against Machine
Learning Models", arXiv:2111.09679.
"""

from __future__ import annotations

import numpy as np

from unlearn_core.params import BadValue

# No loss is counted as larger: the end of the scale on which a loss has a place beyond all references.
LARGEST = 1000.0


def attack_p(losses: np.ndarray, population_losses: np.ndarray) -> np.ndarray:
    """(n,) share of the population's losses (m,) that are at least the image's loss (n,), 0 to 1, for one model.

    The population are images the model did not train on. Higher = more likely a member; a member called at "score of
    at least 1 - alpha" has a loss below all but a share alpha of the population. The order is that of the loss.
    Raises BadValue for an empty population or losses that are none.
    """
    losses, population = _losses(losses), _losses(population_losses)
    if not len(population):
        raise BadValue("Attack-P compares with population images, so it needs at least one.")
    return 1 - np.searchsorted(np.sort(population), losses, side="left") / len(population)


def attack_r(losses: np.ndarray, reference_losses: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
    """(n,) how far below its losses in reference models the image's loss (n,) lies, 0 to 1; higher = likelier a member.

    `reference_losses` (K, n) are losses in other models; `chosen` (K, n) bool those that did NOT train on the image,
    all if None. The score is 1 - place of the loss among them, 0 and 1000, interpolated linearly between equally spaced
    places. A retrained model reads 0.5 on average; without any reference the loss itself is left. Raises BadValue for
    losses that are none.
    """
    losses = np.minimum(_losses(losses), LARGEST)
    references = np.asarray(reference_losses)
    chosen = np.ones(references.shape, bool) if chosen is None else np.asarray(chosen, bool)
    if references.ndim != 2 or not references.shape == chosen.shape == (len(references), len(losses)):
        raise BadValue("Reference losses have one row a model and one column an image.")
    ranked = np.where(chosen, references, LARGEST).T.astype(np.float64)
    ranked = np.sort(np.minimum(_losses(ranked), LARGEST), axis=1)
    count, rows = chosen.sum(axis=0), np.arange(len(losses))
    # A column of 0 before the references and one of 1000 behind: `below` is the last entry that is not above the loss.
    ranked = np.hstack([np.zeros((len(losses), 1)), ranked, np.full((len(losses), 1), LARGEST)])
    below = np.minimum((ranked[:, 1:] <= losses[:, None]).sum(axis=1), count)
    start, end = ranked[rows, below], ranked[rows, below + 1]
    way = np.divide(losses - start, end - start, out=np.ones(len(losses)), where=end > start)
    return 1 - (below + way) / (count + 1)


def _losses(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if not (values >= 0).all():
        raise BadValue("A loss is a number of at least 0.")
    return values
