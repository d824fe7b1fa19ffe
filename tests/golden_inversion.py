"""Known answers of unlearning inversion: one function for each name, from inputs to outputs. `golden.py` runs them."""

from __future__ import annotations

import gradient_matching
import numpy as np

from unlearn_core.attacks import inversion


def unlearning_inversion_linear(inputs: dict) -> dict:
    before, after = ([np.array(inputs[f"{name}{when}"], float) for name in "Wb"] for when in ("", "_unlearned"))
    weight, bias = inversion.ascent_target(before, after)
    label = inversion.bias_label(bias)
    probes = (np.array(inputs[f"probe_probs_{model}"], float) for model in ("original", "unlearned"))
    # Where nothing moved the published rules name the lowest class; this project names none.
    label, probed = (x or 0 for x in (label, inversion.probe_label(*probes, np.array(inputs["probe_class"], int))))
    features = inversion.head_features(weight, bias, label)
    return {
        "delta_b": -bias,
        "inferred_label": label,
        "recovered_features": np.full(weight.shape[1], np.nan) if features is None else features,
        "label_from_probing": probed,
    }


def gradient_matching_cost(inputs: dict) -> dict:
    trial, target = ([np.array(x, float) for x in inputs[f"grad_{name}"]] for name in ("trial", "target"))
    return {
        "cosine_distance_global": gradient_matching.cosine_distance(trial, target),
        "total_variation": gradient_matching.total_variation(np.array(inputs["image"], float)),
    }


COMPUTE = {
    "unlearning_inversion_linear": unlearning_inversion_linear,
    "gradient_matching_cost": gradient_matching_cost,
}
