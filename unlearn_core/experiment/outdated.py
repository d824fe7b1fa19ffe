"""Studies that an earlier version of the program finished, before what a study measures had changed.

They are not listed, for their tables lack what pages ask of them. The models they rest on are still good, so the same
study made by this version trains nothing and is there in seconds.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from unlearn_core.disk import StoreError
from unlearn_core.experiment.study import Study
from unlearn_core.params import BadValue, build, renewed
from unlearn_core.result import Result
from unlearn_core.store import Store

MEASURING = ("data", "forget set", "evaluation")  # the stages that are gone through again where all models are there


@dataclass(frozen=True)
class Outdated:
    """A study of an earlier version: its key, the spec by which this version makes it anew, and the seconds that its
    measuring took then; 0 where it does not say.
    """

    key: str
    spec: Study
    seconds: float = 0.0


def outdated(store: Store) -> list[Outdated]:
    """The studies of earlier versions that this one has not made anew yet, the newest first. What it cannot make anew,
    because a field is gone or came from a later version, is left out, and so is one that goes meanwhile.
    """
    found = []
    for result in store.of_other_versions("Study"):
        try:
            spec = build(renewed(result.written()))
            if isinstance(spec, Study) and store.find(spec) is None:
                found.append(Outdated(result.key, spec, _measuring(result)))
        except (BadValue, StoreError):  # StoreError: it was removed meanwhile
            continue
    return found


def _measuring(result: Result) -> float:
    with suppress(OSError, KeyError, ValueError, TypeError, AttributeError):
        spent = result.json("summary")["seconds"]
        return float(sum(spent[stage] for stage in MEASURING if stage in spent))
    return 0.0
