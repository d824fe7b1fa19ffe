"""What a bank says of each image, as running counts and sums over its members: 112 bytes an image, however many models.

The counts are what memorization scores, their errors and their stability come from. The sums of confidences are the
reference models of RMIA, those of margins the means and deviations of the likelihood ratio. Its medians are no sums:
where it asks for them, what the members said of the images to forget is read from the parts that trained them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from unlearn_core.attacks import Side

OUT, IN = 0, 1
PER_IMAGE = ("count", "right", "phi", "phi_squared", "confidence")
PER_TEST_IMAGE = ("test_phi", "test_phi_squared", "test_confidence")


@dataclass
class BankSums:
    """Sums over the members seen so far, for n training and n_test test images.

    The first axis of each array of training images is the half of the bank, members of even and of odd number, on which
    stability is measured; the second is OUT or IN: members that did not, or did, train on the image.
    `count` and `right` (2, 2, n): members, and those that get the image right. `phi`, `phi_squared`, `confidence`
    (2, 2, n): sums of the logit-scaled confidence, its square, and the confidence in the label. `test_*` (n_test,) are
    over all members, none of which saw these images.
    """

    n: int
    n_test: int
    members: int = 0

    def __post_init__(self):
        shape = (2, 2, self.n)
        self.count, self.right = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
        self.phi, self.phi_squared, self.confidence = (np.zeros(shape) for _ in range(3))
        self.test_phi, self.test_phi_squared, self.test_confidence = (np.zeros(self.n_test) for _ in range(3))

    def add(self, number: int, member: np.ndarray, correct: np.ndarray, phi: np.ndarray, test_phi: np.ndarray) -> None:
        """Count one member: its number, its rows and its right answers (n,) bool, its margins phi (n,) and test_phi
        (n_test,).
        """
        half, test_phi = number % 2, test_phi.astype(np.float64)
        for which, chosen in ((OUT, ~member), (IN, member)):
            self.count[half, which] += chosen
            self.right[half, which] += chosen & correct
        phi = phi.astype(np.float64)
        # One after the other in one place: a bank of many images is to take little more memory than its sums.
        values = np.empty_like(phi)
        for sums, of in ((self.phi, np.positive), (self.confidence, expit), (self.phi_squared, np.square)):
            of(phi, out=values)
            for which, chosen in ((OUT, ~member), (IN, member)):
                np.add(sums[half, which], values, out=sums[half, which], where=chosen)
        self.test_phi += test_phi
        self.test_phi_squared += test_phi**2
        self.test_confidence += expit(test_phi)
        self.members += 1

    def arrays(self) -> dict[str, np.ndarray]:
        """All sums by name, to be kept; `BankSums.of` reads them back."""
        return {name: getattr(self, name) for name in (*PER_IMAGE, *PER_TEST_IMAGE)}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], members: int) -> BankSums:
        sums = cls(arrays["count"].shape[2], len(arrays["test_phi"]), members)
        for name in (*PER_IMAGE, *PER_TEST_IMAGE):
            setattr(sums, name, arrays[name])
        return sums

    def side(self, which: int) -> Side:
        """The margins of the training images in members that saw them (IN) or did not (OUT)."""
        count = self.count[:, which].sum(0, dtype=np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.phi[:, which].sum(0) / count
            square = self.phi_squared[:, which].sum(0) / count
        return Side(count, mean, np.sqrt(np.maximum(square - mean**2, 0.0)))

    def mean_probability(self, which: int, rows: np.ndarray) -> np.ndarray:
        """(k,) float64 mean probability of the label of these training images in members that saw them (IN) or did not
        (OUT), as `attacks.mean_probability` has it; NaN for an image without such a member.
        """
        count = self.count[:, which][:, rows].sum(0, dtype=np.int64)
        total = self.confidence[:, which][:, rows].sum(0)
        return np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)

    def mean_test_probability(self) -> np.ndarray:
        """(n_test,) float64 the same of the test images, which no member saw."""
        return self.test_confidence / self.members
