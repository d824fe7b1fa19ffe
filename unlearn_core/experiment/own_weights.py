"""Weights of a model trained elsewhere, as a file: checked against the architecture, kept by checksum.

Such a model can be judged (judged.py), or be the original of a study (Training.weights).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from unlearn_core import data as datasets
from unlearn_core.data import Data
from unlearn_core.models import MODELS, new_model, weights_of
from unlearn_core.params import BadValue, Spec, param, spec
from unlearn_core.store import Store
from unlearn_core.training import Training

NORMALISATION = ("mean", "std")  # constants of the dataset, which a file may leave out
NAMED = 3  # faults in a sentence; the table has all
GONE = "The weights of this model are not in this store; give the file again."


class BadWeights(BadValue):
    """Weights that do not fit an architecture: `faults` pairs the name of each with what is wrong with it."""

    def __init__(self, title: str, faults: list[tuple[str, str]]):
        named = "; ".join(f"{name} {fault}" for name, fault in faults[:NAMED])
        more = f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else ""
        super().__init__(f"These are not the weights of the architecture {title}: {named}{more}.")
        self.faults = faults


@spec
class OwnWeights(Spec):
    """Weights of a model that was trained elsewhere, in the store under their checksum."""

    data: Data = param(Data(), help="the images")
    model: str = param("mlp", choices=MODELS, help="architecture")
    width: int = param(0, 0, 2048, help="hidden units or first channels; 0 = the architecture's own")
    digest: str = param(help="SHA-256 of the weights, name by name")


def own_weights(training: Training) -> OwnWeights:
    """The weights that a training has in the place of an original that is trained here."""
    return OwnWeights(data=training.data, model=training.model, width=training.width, digest=training.weights)


def about_original(training: Training, accuracy: dict[str, dict[str, float]]) -> str:
    """What must be said beside the numbers of a study whose original is such a model, "" where it is not; `accuracy` is
    the share of the kept ("retain") images that the original and the retrained models get right.
    """
    if not training.weights:
        return ""
    original, retrained = (accuracy[name]["retain"] for name in ("original", "retrained"))
    return (
        f"The original is one model, trained elsewhere; it gets {original:.1%} of the kept images right, retrained "
        f"models {retrained:.1%}. Seeds differ in how it was unlearned and in the retrained models, so nothing here "
        "says how another original would read. Memorization, retrained and shadow models are of the recipe: where the "
        "original was not trained by it, part of what lies between them is not the forgotten images' doing."
    )


def there(store: Store, training: Training) -> None:
    """Raises BadValue where a training needs weights that are not in the store."""
    if training.weights and store.find(training) is None and store.find(own_weights(training)) is None:
        raise BadValue(GONE)


def arrays_of(store: Store, training: Training) -> dict[str, np.ndarray]:
    """The weights of a training's given model by name. Raises BadValue where they are not in the store."""
    if (kept := store.find(own_weights(training))) is None:
        raise BadValue(GONE)
    return kept.arrays("weights")


def needed(store: Store, training: Training) -> list[dict[str, str]]:
    """What a file of weights must hold for the architecture, width and images of a training, a line for each: `name`,
    `shape` such as 10x64, `numbers` (float32, int64), and `note` where the file may leave it out.

    Raises BadValue where the images do not fit the architecture.
    """
    images = datasets.load(training.data, store.root / "data")
    found = weights_of(training.model, images, training.width)
    return [
        {
            "name": name,
            "shape": _shape(value),
            "numbers": str(value.dtype).removeprefix("torch."),
            "note": "may be left out" if name in NORMALISATION else "",
        }
        for name, value in found.items()
    ]


def keep(store: Store, training: Training, source: bytes | Path) -> OwnWeights:
    """Check a safetensors file against the architecture and images of a training, keep it, and say under what spec.

    Names and shapes must be those of the architecture, without a common prefix such as module.; 16- and 64-bit numbers
    become 32-bit ones. A file without `mean` and `std` gets those of the dataset. Raises BadWeights with every
    mismatch, BadValue where the file cannot be read at all.
    """
    images = datasets.load(training.data, store.root / "data")
    expected = new_model(training.model, images, 0, training.width).state_dict()
    state = _fitting(_read(source, expected), expected, MODELS[training.model].title)
    asked = own_weights(training.but(weights=_digest(state)))
    store.remember(asked, lambda draft: draft.arrays("weights", **{k: v.numpy() for k, v in state.items()}))
    return asked


def _read(source: bytes | Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # Numbers of 64 bits at most, and as much again for names and notes.
    most = 2 * sum(8 * value.numel() for value in expected.values()) + (1 << 20)
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > most:
            raise BadValue(
                f"The file holds {size / 1e6:,.1f} MB, far more than this architecture has weights; choose the model "
                "and width that it was trained with."
            )
        return load(source if isinstance(source, bytes) else source.read_bytes())
    except OSError as error:
        raise BadValue(f"The file {source} cannot be read: {error.strerror}.") from error
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue("This is not a safetensors file, or it is cut off.") from error


def _fitting(given: dict, expected: dict, title: str) -> dict[str, torch.Tensor]:
    """The weights as the architecture has them. Raises BadWeights."""
    if given and all(name.startswith("module.") for name in given):
        given = {name.removeprefix("module."): value for name, value in given.items()}
    faults, state = [], {}
    for name, want in expected.items():
        value = given.get(name, want if name in NORMALISATION else None)
        if value is None:
            faults.append((name, f"is missing, {_shape(want)}"))
        elif value.shape != want.shape:
            faults.append((name, f"is {_shape(value)}, not {_shape(want)}"))
        elif value.is_floating_point() != want.is_floating_point():
            faults.append((name, f"holds {str(value.dtype).removeprefix('torch.')} numbers"))
        elif not torch.isfinite(value := value.to(want.dtype)).all():
            faults.append((name, "holds values that are no finite numbers"))
        elif name == "std" and (value <= 0).any():
            faults.append((name, "must be more than 0 everywhere"))
        else:
            state[name] = value.contiguous()
    faults += [(name[:80], "is no weight of this architecture") for name in given if name not in expected]
    if faults:
        raise BadWeights(title, faults)
    return state


def _shape(value: torch.Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a single number"


def _digest(state: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(f"{name}:{_shape(state[name])};".encode())
        found.update(state[name].numpy().tobytes())
    return found.hexdigest()
