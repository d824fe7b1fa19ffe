"""An audit of the third tier that is stopped twice on its way: made once in a run of the tests, told to all of them."""

import pickle
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from unlearn_core.experiment import OpenStudy, Study, fulfil, trained_models, unlearned_models
from unlearn_core.experiment.door import MAKERS
from unlearn_core.experiment.tiers import Audit, PerExample, Subject, distribution
from unlearn_core.experiment.tiers.cost import Cost, cost
from unlearn_core.experiment.tiers.instant import Instant, Relearned
from unlearn_core.experiment.tiers.inversion import Inversion
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.store import Store

METHOD = "random-label"
SIZES = {"seeds": 2, "shadows": 18, "deletions": 40, "models": 8}


@dataclass
class Story:
    """What was asked and made on the way."""

    store: Store
    subject: Subject
    wanted: Audit
    told: list[Cost] = field(default_factory=list)  # before the first call, after each stop, and at the end
    made: list[Counter] = field(default_factory=list)  # in each call
    stored: list[Counter] = field(default_factory=list)  # before the first call, and after each

    def copied(self, root: Path) -> "Story":
        """The same story in a store that may be written to."""
        return replace(self, store=Store(shutil.copytree(self.store.root, root)))


def stored(store: Store) -> Counter:
    return Counter({kind: sum(1 for _ in store.results(kind)) for kind in store.kinds()})


class Stopped(Exception):
    pass


def stop(*_):
    raise Stopped


def story(root: Path, filled: Path, study: Study) -> Story:
    """The story in a folder; where it was not told yet, it happens there in a copy of the store `filled`."""
    file = root / "story.pickle"
    if not file.exists():
        shutil.rmtree(root, ignore_errors=True)
        happened = _happen(Store(shutil.copytree(filled, root / "store")), study)
        file.write_bytes(pickle.dumps((happened.told, happened.made, happened.stored)))
    return Story(*_asked(Store(root / "store"), study), *pickle.loads(file.read_bytes()))  # noqa: S301


def _asked(store: Store, study: Study) -> tuple[Store, Subject, Audit]:
    subject = subject_of_method(OpenStudy(store, fulfil(store, study)), METHOD)
    return store, subject, Audit(name="Deep", subject=subject, tier=3, **SIZES)


def _happen(store: Store, study: Study) -> Story:
    told = Story(*_asked(store, study))

    def counted(kind, function, of):
        def call(*args):
            told.made[-1][kind] += of(*args)
            return function(*args)

        return call

    with pytest.MonkeyPatch.context() as patch:
        train, unlearn = trained_models.train_members, unlearned_models.unlearn_many
        patch.setattr(trained_models, "train_members", counted("trainings", train, lambda *args: len(args[2])))
        patch.setattr(
            unlearned_models, "unlearn_many", counted("runs", unlearn, lambda unlearners, *_: len(unlearners))
        )
        for kind in (Instant, Relearned, PerExample, Inversion):
            patch.setitem(MAKERS, kind, counted(kind.__name__, MAKERS[kind], lambda *_: 1))
        patch.setattr(distribution, "SPLITTINGS", 10)  # a quarter of the time
        told.told.append(cost(store, told.wanted))
        told.stored.append(stored(store))
        for stopped in (PerExample, Inversion, None):
            told.made.append(Counter())
            with pytest.MonkeyPatch.context() as stops:
                if stopped is not None:
                    stops.setitem(MAKERS, stopped, stop)
                    with pytest.raises(Stopped):
                        fulfil(store, told.wanted)
                else:
                    fulfil(store, told.wanted)
            told.told.append(cost(store, told.wanted))
            told.stored.append(stored(store))
    return told
