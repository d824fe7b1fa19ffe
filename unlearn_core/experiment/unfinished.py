"""What is kept of a training that is not finished, so that whoever goes on with it need not begin again.

    ROOT/unfinished/<name>.safetensors   weights, momentum and sums after an epoch, behind the SHA-256 of them

The order of every later epoch is a pure function of the seed, so nothing else is needed to come to the same bits. A
file that is damaged, or was written by other versions or on another device, is no worse than none. What nobody comes
back to is swept after a month.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from unlearn_core.disk import below, write_whole

HEAD = 64  # bytes


class Unfinished:
    """The file of one training, by a name that no other has; `made_by` says by what it can be gone on with."""

    def __init__(self, root: Path, name: str, made_by: str):
        self.file = below(root, "unfinished", f"{name}.safetensors")
        self.made_by = made_by.encode()

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays that were kept last; None where there are none to go on from."""
        with suppress(OSError, SafetensorError, ValueError):
            whole = self.file.read_bytes()
            if whole[:HEAD] == self._seal(whole[HEAD:]):
                return load(whole[HEAD:])
        return None

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep these in the place of those before. On a full disk nothing is kept, and the work goes on."""
        body = save({name: np.ascontiguousarray(value) for name, value in arrays.items()})
        with suppress(OSError):
            self.file.parent.mkdir(exist_ok=True)
            write_whole(self.file, self._seal(body) + body)

    def drop(self) -> None:
        """The training is finished."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)

    def _seal(self, body: bytes) -> bytes:
        return hashlib.sha256(self.made_by + body).hexdigest().encode()
