"""A worker that the system kills for want of memory: its task goes on in halves, and each part is done once."""

import pytest

from tests.engine_tasks import heavy
from unlearn_core.data import Data
from unlearn_core.engines import EngineError
from unlearn_core.engines.local import Local
from unlearn_core.experiment.spread import halves
from unlearn_core.params import plain
from unlearn_core.training import Training


def test_a_task_is_halved_until_it_fits(tmp_path):
    told, engine = [], Local(2)
    tasks = [{"store": str(tmp_path), "specs": list(range(first, first + 8)), "most": 2} for first in (0, 8)]
    try:
        ended = [i for i, _ in engine.map(heavy, tasks, lambda _, done, total: told.append(done / total), halves)]
    finally:
        engine.close()
    assert sorted(ended) == [0, 1]
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {str(i): "done " for i in range(16)}
    assert told == sorted(told) and told[-1] == 1.0


def test_a_single_one_that_never_fits_is_given_up_and_the_rest_is_done(tmp_path):
    engine = Local(1)
    tasks = [{"store": str(tmp_path), "specs": [0], "most": 0}, {"store": str(tmp_path), "specs": [1], "most": 1}]
    try:
        with pytest.raises(EngineError, match="perhaps for want of memory"):
            list(engine.map(heavy, tasks, halves=halves))
    finally:
        engine.close()
    assert [file.name for file in tmp_path.iterdir()] == ["1"]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_halves_are_the_whole(count):
    specs = [plain(Training(data=Data(train=120, test=60), seed=seed)) for seed in range(count)]
    parts = halves({"store": "x", "specs": specs})
    assert [spec for part in parts for spec in part["specs"]] == specs
    assert len(parts) == min(2, count) and all(part["store"] == "x" for part in parts)
