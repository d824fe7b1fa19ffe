"""Make the recorded example anew, docs/recorded.zip: `python docs/recorded.py STORE`, best the example's store.

The study, and all that its pages can show of it besides: they offer nothing to compute on a study that came in a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from unlearn_core.experiment import OpenStudy, fulfil, recorded_example, stream
from unlearn_core.experiment.bundle import export
from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.landscape import MANY, landscape_for
from unlearn_core.experiment.layers import LayerCka
from unlearn_core.experiment.proxy_table import ProxyTable
from unlearn_core.experiment.shared_map import asked as one_map
from unlearn_core.experiment.study_table import best_single
from unlearn_core.experiment.tiers import Audit
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.params import Spec
from unlearn_core.store import Store

FILE = Path(__file__).with_suffix(".zip")


def evidence(study: OpenStudy) -> Iterator[Spec]:
    """What the pages show of a study once someone asked for it: every view of its plan, and of the best algorithm all
    but many models, which are the largest part of the file.
    """
    spec = study.spec
    yield from (EqualRetention(study=spec), ProxyTable(study=spec), LayerCka(study=spec))
    yield landscape_for(study.store, spec.bank, MANY)
    single, seeds, titles = best_single(study.table), spec.seeds, study.means("group_tow")["title"]
    for method, tier in (("rum", 3), (single, 2)):
        yield from (one_map(study, method, kind) for kind in ("pca", "umap"))
        subject = subject_of_method(study, method)
        yield Audit(name=f"Audit of {titles[method]}", subject=subject, tier=tier, seeds=seeds)
    yield stream.asked(study, single, stream.deal_requests(study.forget, 4), seeds)


def main(folder: str) -> None:
    store = Store(folder)
    study = OpenStudy(store, fulfil(store, recorded_example()))
    for wanted in evidence(study):
        fulfil(store, wanted)
    print(export(store, study.key, FILE, weights=False))


if __name__ == "__main__":
    main(sys.argv[1])
