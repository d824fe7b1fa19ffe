"""A small store of this version, as a file that later versions have to open: python tests/golden_stores.py

Run once for each release. It writes tests/data/stores/VERSION.zip and refuses to replace one: what was released once
stays as it was.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

from unlearn_core import __version__, jobs
from unlearn_core.data import Data
from unlearn_core.experiment import OpenStudy, Study, fulfil, saved_plans
from unlearn_core.experiment.forget_sets import give_name
from unlearn_core.forget import AtRandom
from unlearn_core.params import key
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGradPlus

FOLDER = Path(__file__).parent / "data" / "stores"
STUDY = Study(
    name="Golden",
    training=Training(data=Data(train=120, test=60), width=8, epochs=3),
    models=10,
    forget=AtRandom(size=12),
    unlearners=(FineTune(epochs=1),),
    plans=(Plan(low=FineTune(epochs=1), medium=FineTune(epochs=1), high=NegGradPlus(epochs=1)),),
    controls=False,
    seeds=2,
    tuning_seeds=0,
)


def fill(root: Path) -> None:
    """A finished study, the job that made it, a named set and a saved plan."""
    store = Store(root)
    study = OpenStudy(store, fulfil(store, STUDY))
    jobs.submit(store, STUDY)  # its result is there, so the job is done at once
    give_name(study, study.forget[:5], "Five")
    saved_plans.save(store, STUDY.plans[0])
    facts = {"study": key(STUDY), "tow": study.summary["tow"], "forget": study.forget.tolist()}
    (root / "facts.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    file = FOLDER / f"{__version__}.zip"
    if file.exists():
        sys.exit(f"{file.name} is there already, and a released store is never changed.")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for each in sorted(Path(folder).rglob("*")):
                if each.is_file() and each.parent.name not in ("locks", "staging"):
                    archive.write(each, each.relative_to(folder))
    print(file, f"{file.stat().st_size / 1e3:.0f} kB")
