"""How soon a model learns the forget images again: time to a target, and that time against a retrained model's."""

from __future__ import annotations

import numpy as np

from unlearn_core.attacks import Measured
from unlearn_core.params import BadValue

# A curve that stands on the target has reached it, also where the target is off by a rounding error.
ROUNDING = 1e-12


def relearn_time(curve: np.ndarray, target: float, falling: bool = False) -> Measured:
    """Place, counted from 1, of the first entry of a curve (T,) that reaches the target; at least 1.

    An accuracy rises to its target, a loss (`falling`) sinks to it. What an entry is the caller says: after each step,
    or before each epoch. Where the target is never reached the value is T and `why` says "at least". The value to aim
    at is a retrained model's; other orders of the images move it, so that an average over five or more is wanted.
    Raises BadValue for an empty curve and for NaN.
    Source: Golatkar et al. (2020), "Eternal Sunshine of the Spotless Net", arXiv:1911.04933.
    """
    values = np.asarray(curve, np.float64)
    if values.ndim != 1 or not len(values) or np.isnan(values).any() or np.isnan(target):
        raise BadValue("A time to relearn needs a curve of at least one number and a target.")
    there = values <= target + ROUNDING if falling else values >= target - ROUNDING
    if there.any():
        return Measured(float(there.argmax() + 1))
    return Measured(float(len(values)), why=f"not reached within {len(values)}, so at least that")


def anamnesis_index(
    original_accuracy: float,
    unlearned_curve: np.ndarray,
    retrained_curve: np.ndarray,
    margin: float = 0.05,
    retrained_start: float | None = None,
) -> Measured:
    """Relearn time of the unlearned model divided by the retrained one's, above 0; 1 = relearns like retraining.

    Accuracies on the forget images, as fractions: the original's, and (T,) after every step of each model, taught the
    same images in the same order. The target is (1 - margin) of the original's. Well below 1 knowledge was left, well
    above 1 more was removed than retraining removes. `why` says where a curve ends before its target: then the value is
    a bound. There is none where both do, or where the retrained model is at the target before its first step
    (`retrained_start`), as with images forgotten at random. Raises BadValue for what is no fraction, and like
    `relearn_time`.
    Source: Chundawat, Tarun, Mandal, Kankanhalli (2023), "Zero-Shot Machine Unlearning", arXiv:2201.05629.
    """
    starts = [original_accuracy, margin] + ([] if retrained_start is None else [retrained_start])
    for value in np.concatenate([starts, np.ravel(unlearned_curve), np.ravel(retrained_curve)]):
        if not 0 <= value <= 1:
            raise BadValue(f"Accuracies and the margin are fractions from 0 to 1, not {value:g}.")
    target = (1 - margin) * original_accuracy
    unlearned, retrained = relearn_time(unlearned_curve, target), relearn_time(retrained_curve, target)
    if retrained_start is not None and retrained_start >= target - ROUNDING:
        return Measured(None, why="the retrained model is at the target before it relearns anything")
    if unlearned.why and retrained.why:
        return Measured(None, why="neither model reached the target")
    why = "at least this: the unlearned model did not reach the target" if unlearned.why else ""
    why = "at most this: the retrained model did not reach the target" if retrained.why else why
    return Measured(unlearned.value / retrained.value, why=why)
