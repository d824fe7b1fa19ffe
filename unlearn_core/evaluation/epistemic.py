"""How little a model's weights say about the forget images, from the gradients at these images.

A diagnostic: images that a model fits well have small gradients, so the original model can read higher than a retrained
one, and rescaling the weights changes every value. Use it against a retrained model's value only.
"""

from __future__ import annotations

import math

import numpy as np

from unlearn_core.params import BadValue


def information_score(gradient_norms: np.ndarray) -> float | None:
    """Trace of the empirical Fisher information: the mean of the squared norms (n,), at least 0; None without images.

    A norm is the Euclidean length of one image's gradient of its loss (cross-entropy with the true label) in all
    weights, in evaluation mode, without weight decay. Raises BadValue for what is no norm.
    Source: Becker, Liebig (2022), "Evaluating Machine Unlearning via Epistemic Uncertainty", arXiv:2208.10836.
    """
    norms = np.asarray(gradient_norms, np.float64)
    if norms.ndim != 1 or not (np.isfinite(norms) & (norms >= 0)).all():
        raise BadValue("The norms of gradients are a row of finite numbers of at least 0, one for each image.")
    return float(np.square(norms).mean()) if len(norms) else None


def efficacy(gradient_norms: np.ndarray) -> float | None:
    """1 / `information_score`, above 0: higher = less is known of these images; None without images.

    Infinite when every gradient is 0. The target is a retrained model's value, and the spread of retrained models over
    seeds is the noise floor. Raises BadValue like `information_score`.
    Source: Becker, Liebig (2022), arXiv:2208.10836.
    """
    return _inverse(information_score(gradient_norms))


def efficacy_upper_bound(mean_gradient_norm: float) -> float:
    """The most `efficacy` can be, from one norm: that of the gradient of the MEAN loss over the same images.

    Costs one backward pass. Infinite when that gradient is 0, as after training on these images to the end. Raises
    BadValue like `information_score`.
    Source: Becker, Liebig (2022), arXiv:2208.10836.
    """
    return _inverse(information_score(np.array([mean_gradient_norm])))


def _inverse(score: float | None) -> float | None:
    if score is None:
        return None
    return 1 / score if score else math.inf
