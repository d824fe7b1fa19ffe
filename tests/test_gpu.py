"""Every path on a CUDA device: what is made there is made on it, is finite, and says what the CPU says."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.unlearning.common import quick
from unlearn_core import ensembles
from unlearn_core.data import Data
from unlearn_core.ensembles import train_members
from unlearn_core.experiment import (
    Audit,
    EqualRetention,
    Landscape,
    LayerCka,
    Map,
    OpenStudy,
    PlanSearch,
    ProxyTable,
    Run,
    SharedMap,
    Stream,
    Study,
    fulfil,
)
from unlearn_core.experiment.door import fulfil_together
from unlearn_core.experiment.tiers.subject import subject_of_method
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.experiment.try_everything import TryEverything
from unlearn_core.forget import AtRandom, Picked
from unlearn_core.rows import pack
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, RandomLabel

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
ROWS = pack(np.arange(40))
NETS = {  # one that trains side by side with others, and one that trains alone, in half precision
    "stacked": Training(data=Data(train=700, test=200), epochs=6),
    "alone": Training(data=Data(train=300, test=100), model="cnn", width=8, epochs=4, precision="bfloat16"),
}


@pytest.fixture(scope="module", autouse=True)
def on_gpu():
    if DEVICE == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARN_DEVICE", DEVICE)
        yield


@pytest.fixture(scope="module")
def asked(filled_study) -> Study:
    """The small study, on a set that does not go by scores: on two devices it is the same."""
    return filled_study.but(forget=Picked(named=pack(np.arange(0, 600, 20))))


@pytest.fixture(scope="module")
def made(tmp_path_factory, asked, on_gpu) -> OpenStudy:
    """The study, made on the device: bank, searches, every algorithm stacked, a plan and its controls."""
    store = Store(tmp_path_factory.mktemp("gpu"))
    return OpenStudy(store, fulfil(store, asked))


@pytest.fixture(autouse=True)
def it_was_used(on_gpu):
    """What a test made was made on the device, whatever its record says."""
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    yield
    if DEVICE == "cuda":
        assert torch.cuda.max_memory_allocated() > before


def finite(result) -> bool:
    return all(np.isfinite(v).all() for v in result.arrays("logits").values()) and result.manifest()["device"] == DEVICE


def labels(store: Store, training: Training) -> np.ndarray:
    return dataset(store, training.data).train.y.numpy()


def test_a_study_says_what_it_says_on_a_cpu(made, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("UNLEARN_DEVICE", "cpu")
    store = Store(tmp_path / "cpu")
    here = OpenStudy(store, fulfil(store, asked))
    assert (made.result.manifest()["device"], here.result.manifest()["device"]) == (DEVICE, "cpu")
    assert spearmanr(made.memorization.scores, here.memorization.scores).statistic > 0.9
    for name, group in made.table.groupby("method"):
        own = here.table[here.table["method"] == name]
        for metric in ("forget_accuracy", "retain_accuracy", "test_accuracy"):
            assert group[metric].mean() == pytest.approx(own[metric].mean(), abs=0.1), (name, metric)
    torch.zeros(1, device=DEVICE)  # the rest of this test is the CPU's


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_runs_there(name, net, made):
    training, store = NETS[net], made.store
    forget = ROWS
    if "classes" in ALGORITHMS[name].needs:
        forget = pack(np.flatnonzero(labels(store, training) == 1))
    assert finite(fulfil(store, Run(training=training, forget=forget, unlearner=quick(name))))


def test_many_at_once_are_each_by_itself(made, tmp_path):
    runs = [
        Run(training=NETS["stacked"].but(seed=seed), forget=ROWS, unlearner=RandomLabel(epochs=2, lr=lr), seed=seed)
        for seed in range(2)
        for lr in (0.01, 0.03)
    ]
    together = fulfil_together(made.store, runs)
    for run, result in zip(runs, together, strict=True):
        alone = fulfil(Store(tmp_path / run.unlearner.__class__.__name__ / str(runs.index(run))), run)
        for part, logits in alone.arrays("logits").items():
            np.testing.assert_allclose(result.arrays("logits")[part], logits, rtol=1e-2, atol=1e-2)


def test_whatever_is_asked_of_a_finished_study_is_answered_there(made):
    spec, store = made.spec, made.store
    tiny = {"training": spec.training, "models": spec.models, "seeds": 2}
    asked = [
        LayerCka(study=spec),
        EqualRetention(study=spec, retentions=(0.9,)),
        SharedMap(study=spec, method="fine-tune"),
        ProxyTable(study=spec),
        Map(training=spec.training),
        TryEverything(forget=AtRandom(size=30), unlearners=(FineTune(epochs=1),), plans=(), **tiny),
        PlanSearch(forget=spec.forget, algorithms=(FineTune(epochs=1),), trials=2, tuning_seeds=1, best=1, **tiny),
        Landscape(
            training=spec.training,
            models=spec.models,
            unlearners=(FineTune(epochs=1),),
            sets=16,
            sizes=(20,),
            originals=2,
        ),
        Stream(training=spec.training, requests=("0-9", "10-19"), unlearner=FineTune(epochs=1), seeds=2, models=0),
        Audit(subject=subject_of_method(made, "fine-tune"), tier=3, seeds=2, shadows=18, deletions=10, models=8),
    ]
    for each in asked:
        assert fulfil(store, each).manifest()["device"] == DEVICE, each


def test_a_stack_that_does_not_fit_on_the_device_is_halved(tiny, tiny_training, monkeypatch):
    if DEVICE != "cuda":
        pytest.skip("needs a device whose memory can be bounded")
    sizes, honest = [], ensembles.train_stacked
    monkeypatch.setattr(ensembles, "stack_size", lambda *_: 64)
    monkeypatch.setattr(
        ensembles, "train_stacked", lambda t, d, rows, *rest: sizes.append(len(rows)) or honest(t, d, rows, *rest)
    )
    recipe = tiny_training.but(width=4096, epochs=1)  # 64 of them take about 430 MB
    rows = np.stack([np.arange(m, 200 + m) for m in range(64)])
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2e8) / total)
    try:
        assert len(list(train_members(recipe, tiny, rows, [*range(64)]))) == 64
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert sizes[0] == 64 and sizes[-1] < 64


def test_half_precision_ranks_images_as_full_precision_does(made):
    """What mixed precision does to scores, in numbers: the confidence of a trained net, image by image."""
    scores = []
    for precision in ("float32", "bfloat16"):
        trained = fulfil(made.store, NETS["alone"].but(precision=precision, epochs=8))
        logits = torch.from_numpy(trained.arrays("logits")["train"])
        right = torch.from_numpy(labels(made.store, NETS["alone"]))
        scores.append(logits.softmax(1)[torch.arange(len(logits)), right].numpy())
    assert scores[0].mean() > 0.3 and spearmanr(*scores).statistic > 0.5
