"""What goes on after kill -9 ends with the bits of what was never disturbed: weights, logits, sums and tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

from unlearn_core.data import Data
from unlearn_core.ensembles import Bank
from unlearn_core.experiment import Study
from unlearn_core.experiment.differences import compare
from unlearn_core.experiment.soundness import look
from unlearn_core.forget import ByMemorization
from unlearn_core.params import plain
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGradPlus, RandomLabel

ROOT = Path(__file__).parents[1]
DATA = Data(train=500, test=200)
# Weights whose number is odd: what is done to the last of a stack could differ from what is done to the others.
CNN = Training(data=DATA, model="cnn", width=7, epochs=1, lr=0.05, momentum=0.9)
STUDY = Study(
    name="Killed",
    training=CNN.but(epochs=2),
    models=10,
    forget=ByMemorization(size=12),
    unlearners=(FineTune(epochs=1), NegGradPlus(epochs=1)),
    plans=(Plan(medium=FineTune(epochs=1), high=RandomLabel(epochs=1)),),
    controls=False,
    seeds=3,
    tuning_seeds=1,
)


def killed(root, how, spec, **env) -> int:
    """How many processes were killed on the way; see killed_work.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "killed_work.py", root, how, json.dumps(plain(spec))],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "UNLEARN_DEVICE": "cpu"} | env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_same_bits(root):
    """Every result of both stores is there twice, whole, and the same but for what was measured."""
    undisturbed, resumed = (Store(root / name) for name in ("undisturbed", "killed"))
    keys = [{(r.folder.parent.name, r.key) for k in s.kinds() for r in s.results(k)} for s in (undisturbed, resumed)]
    assert keys[0] == keys[1] and len(keys[0]) > 2
    for kind, key in sorted(keys[0]):
        compared = compare(undisturbed.open(kind, key), resumed.open(kind, key))
        assert compared.found == (), (kind, key, compared.found)
    assert look(resumed, deep=True).damaged == []


def test_a_study_killed_after_every_few_results(tmp_path):
    """Also in the middle of what was trained together: what is left then goes together in another way."""
    assert killed(tmp_path, "results", STUDY, UNLEARN_ENGINE="here") >= 6
    assert_same_bits(tmp_path)


def test_a_bank_killed_while_workers_are_busy(tmp_path):
    bank = Bank(training=CNN.but(epochs=2), models=64)
    assert killed(tmp_path, "workers", bank, UNLEARN_ENGINE="local", UNLEARN_WORKERS="2") >= 1
    assert_same_bits(tmp_path)
