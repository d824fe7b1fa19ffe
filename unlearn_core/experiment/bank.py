"""The bank of models on subsets of the training images: trained and kept in parts, summed up, and asked.

What single members say stays with the parts, one file for a few of them; the bank itself is running sums, so that it
needs no more memory with more members.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from unlearn_core.attacks.signals import margin
from unlearn_core.data import Dataset
from unlearn_core.device import numerics
from unlearn_core.engines import engine
from unlearn_core.ensembles import Bank, BankSums, deal, everywhere, member_seed, train_members
from unlearn_core.experiment.door import MAKERS, TOGETHER, fulfil
from unlearn_core.experiment.spread import found, fulfil_all
from unlearn_core.experiment.trained_models import a_share, check_finite, dataset, made_on, unfinished
from unlearn_core.memorization import Memorization, Stability, memorization, stability
from unlearn_core.params import BadValue, Spec, key, param, spec
from unlearn_core.progress import Tell, silent
from unlearn_core.result import Draft, Result
from unlearn_core.store import Store
from unlearn_core.training import Trained, Training, predict

PART = 8  # members of a bank that are kept together; a worker that is killed loses the parts of the stack it was at


@spec
class BankPart(Spec):
    """Some members of a bank: what is kept when a bank is interrupted, and what a larger bank shares with a smaller."""

    training: Training = param(help="how each member is trained")
    share: float = param(0.7, 0.1, 0.9, help="share of the training images each member sees")
    seed: int = param(0, 0, 2**31 - 1, help="seed of the bank")
    first: int = param(0, 0, help="number of the first member")
    count: int = param(PART, 1, help="how many members")

    @property
    def numbers(self) -> range:
        """The numbers of its members."""
        return range(self.first, self.first + self.count)


def _part(store: Store, part: BankPart, tell: Tell) -> Result:
    return bank_parts(store, [part], tell)[0]


def bank_parts(store: Store, parts: Iterable[BankPart], tell: Tell = silent) -> list[Result]:
    """These parts of one bank, in order; the members of those that are missing are trained together.

    Each part holds `correct` (count, n) bool, `phi` (count, n) and `test_phi` (count, n_test) float32, and
    `test_accuracy` (count,): what its members say of all training and test images.
    """
    parts = list(parts)
    missing = [part for part in dict.fromkeys(parts) if store.find(part) is None]
    if missing:
        shared = missing[0]
        images = dataset(store, shared.training.data)
        numbers = [m for part in missing for m in part.numbers]
        # Members are dealt one after the other, so these do not depend on how many come after them.
        dealt = enumerate(itertools.islice(deal(len(images.train.y), shared.share, shared.seed), max(numbers) + 1))
        wanted = set(numbers)
        own_rows = {number: np.flatnonzero(member) for number, member in dealt if number in wanted}
        rows, seeds = [own_rows[m] for m in numbers], [member_seed(shared.seed, m) for m in numbers]
        kept = {part: [unfinished(store, f"{key(part)}-{m}") for m in part.numbers] for part in missing}
        trained = train_members(shared.training, images, rows, seeds, tell, kept=[*itertools.chain(*kept.values())])
        for part in missing:
            *columns, together = _say(images, itertools.islice(trained, part.count))
            store.remember(part, lambda draft, columns=columns: _write_part(draft, *columns), device=made_on(together))
            for behind in kept[part]:
                behind.drop()
    return [found(store, part) for part in parts]


def _say(images: Dataset, members: Iterable[Trained]) -> tuple[dict[str, np.ndarray], float, int]:
    """What members say of all images, the seconds of their training, and the most that were trained together."""
    columns, seconds, together = defaultdict(list), 0.0, 1
    for trained in members:
        check_finite(trained)
        on_train, on_test = predict(trained.model, images.train), predict(trained.model, images.test)
        columns["correct"].append(on_train.logits.argmax(1) == on_train.labels)
        columns["phi"].append(margin(on_train.logits, on_train.labels).astype(np.float32))
        columns["test_phi"].append(margin(on_test.logits, on_test.labels).astype(np.float32))
        columns["test_accuracy"].append((on_test.logits.argmax(1) == on_test.labels).mean())
        seconds, together = seconds + trained.seconds, max(together, trained.together)
    return {name: np.stack(values) for name, values in columns.items()}, seconds, together


def _write_part(draft: Draft, columns: dict[str, np.ndarray], seconds: float) -> None:
    draft.seconds = seconds
    draft.arrays(**columns)


def _bank(store: Store, bank: Bank, tell: Tell) -> Result:
    images, parts = dataset(store, bank.training.data), parts_of(bank)
    if not everywhere(len(images.train.y), bank.models, bank.share):
        raise BadValue(
            f"{bank.models} models that each see {bank.share:.0%} of the images are too few to score all of them: some "
            "image would be in every model or in none. Take more models, or a share nearer to a half."
        )
    together = a_share(bank.training, images, sum(store.find(part) is None for part in parts), PART)
    sums, curve = BankSums(len(images.train.y), len(images.test.y)), []
    members, accuracies, seconds = deal(sums.n, bank.share, bank.seed), [], 0.0
    with engine() as workers:
        # One that may stop early trains as many parts at a time as are under way at once.
        stride = workers.at_once * together if bank.stop_at else len(parts)
        for start in range(0, len(parts), stride):
            now = parts[start : start + stride]

            def told(stage, done, total, start=start, share=len(now) / len(parts)):  # noqa: B008
                tell("bank", round(1000 * (start / len(parts) + share * done / total)), 1000)

            for part, result in zip(now, fulfil_all(store, now, told, together), strict=True):
                # What was trained beyond the end is not counted: the number of workers does not change a result.
                if not _stable(bank, sums.n, curve):
                    accuracies += add_part(sums, members, part, result)
                    seconds += result.manifest()["seconds"]
                    curve.append(_line(stability(sums.count, sums.right)) | {"test_accuracy": np.mean(accuracies)})
            if _stable(bank, sums.n, curve):
                break

    def make(draft: Draft) -> None:
        draft.seconds = seconds
        draft.arrays(**sums.arrays())
        draft.table(pd.DataFrame(curve))

    return store.remember(bank, make, device=numerics)


def _line(agreed: Stability) -> dict:
    """What is kept of how stable scores are. The overlap is worked out from the sums where it is asked for: banks of
    earlier versions keep one that goes by row number where scores are tied.
    """
    return {name: getattr(agreed, name) for name in ("members", "images", "spearman", "pearson", "reliability")}


def _stable(bank: Bank, n: int, curve: list[dict]) -> bool:
    """Whether the scores of all n images are as reliable as a bank that may stop early asks for."""
    if not bank.stop_at or not curve:
        return False
    return curve[-1]["images"] == n and curve[-1]["reliability"] >= bank.stop_at


def parts_of(bank: Bank) -> list[BankPart]:
    """The parts in which a bank is trained and kept."""
    shared = {"training": bank.training, "share": bank.share, "seed": bank.seed}
    starts = range(0, bank.models, PART)
    return [BankPart(**shared, first=first, count=min(PART, bank.models - first)) for first in starts]


def add_part(sums: BankSums, members: Iterator[np.ndarray], part: BankPart, result: Result) -> list[float]:
    """Add the members of the next part to the sums; returns their test accuracies."""
    arrays = result.arrays()
    for i, number in enumerate(part.numbers):
        sums.add(number, next(members), arrays["correct"][i], arrays["phi"][i], arrays["test_phi"][i])
    return arrays["test_accuracy"].tolist()


def bank_sums(result: Result) -> BankSums:
    """The sums of a finished bank."""
    return BankSums.of(result.arrays(), int(result.table()["members"].iloc[-1]))


def bank_stability(result: Result) -> pd.DataFrame:
    """How stable a bank's memorization scores were after each of its parts: `members`, `images`, `spearman`, `pearson`
    and `reliability` as in Stability, and the mean `test_accuracy` of the members so far. The last line is the bank
    itself.
    """
    return result.table()


def bank_memorization(result: Result) -> Memorization:
    """Memorization scores of all training rows from a bank's result."""
    arrays = result.arrays()
    return memorization(arrays["count"].sum(0, dtype=np.int64), arrays["right"].sum(0, dtype=np.int64))


def bank_columns(store: Store, bank: Bank, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, k) member and phi: what each member of a finished bank says of these k training rows. Parts are read one
    after the other, so that only these columns are ever in memory.
    """
    trained, parts = _trained(store, bank)
    n = fulfil(store, bank).arrays()["count"].shape[2]
    member = [dealt[rows] for dealt in itertools.islice(deal(n, bank.share, bank.seed), trained)]
    return np.stack(member), np.concatenate([part.arrays()["phi"][:, rows] for part in parts])


def bank_test_margins(store: Store, bank: Bank) -> np.ndarray:
    """(M, n_test) float32 logit-scaled confidence of each member of a finished bank in the label of each test image,
    which no member saw.
    """
    return np.concatenate([part.arrays()["test_phi"] for part in _trained(store, bank)[1]])


def _trained(store: Store, bank: Bank) -> tuple[int, list[Result]]:
    """How many members a finished bank has, and its parts."""
    trained = int(fulfil(store, bank).table()["members"].iloc[-1])
    return trained, fulfil_all(store, [part for part in parts_of(bank) if part.first < trained])


MAKERS |= {Bank: _bank, BankPart: _part}
TOGETHER[BankPart] = bank_parts
