"""How long runs take, by runs that were timed."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unlearn_core.engines import machine
from unlearn_core.experiment import run_times
from unlearn_core.experiment.run_times import never_run, run_seconds, trial_seconds
from unlearn_core.experiment.usual_times import usual
from unlearn_core.rum import Part, Rum
from unlearn_core.training import Training
from unlearn_core.unlearning import ALGORITHMS, FineTune, NegGrad, Original, SalUn
from unlearn_core.unlearning.ends.retrain import Retrain

Influence = ALGORITHMS["influence"]  # has no epochs


class Finished:
    """A study of these (algorithm, seconds), whose models took ten seconds each to train."""

    def __init__(self, *runs):
        self.runs, self.spec = runs, SimpleNamespace(training=Training(epochs=5))
        head = {"kind": "reference", "method": "retrained", "seed": 0, "seconds": 10.0}
        lines = [{"kind": "single", "method": i, "seed": 0, "seconds": s} for i, (_, s) in enumerate(runs)]
        self.table = pd.DataFrame([head, *lines])

    def run_result(self, method: int, seed: int):
        unlearner, seconds = (None, 10.0) if method == "retrained" else self.runs[method]
        return SimpleNamespace(spec=lambda: SimpleNamespace(unlearner=unlearner), undisturbed=lambda: seconds)


def plan(*steps) -> Rum:
    return Rum(parts=tuple(Part(name=f"p{i}", rows=str(i), unlearner=u) for i, u in enumerate(steps)))


def expected(finished, unlearner) -> float:
    seconds, fastest, slowest = run_seconds(finished, unlearner)
    assert fastest <= seconds <= slowest
    return seconds


def test_an_algorithm_without_epochs_takes_what_its_runs_took():
    finished = Finished((Influence(), 3.0), (FineTune(epochs=2), 8.0))
    assert expected(finished, Influence()) == 3.0
    assert expected(finished, FineTune(epochs=5)) == 20.0
    assert expected(finished, plan(Original(), Influence(), FineTune(epochs=1))) == 7.0
    assert expected(finished, Retrain()) == 10.0 and expected(finished, Original()) == 0.0
    assert never_run(finished, [Influence(), FineTune(), Original(), Retrain()]) == set()


def test_what_else_ran_then_is_not_part_of_what_runs_take(store):
    """It is reckoned with when a job is foreseen, as it is then."""
    made = store.remember(Training(), lambda draft: setattr(draft, "seconds", 8.0), device="cpu")
    assert 0 <= made.manifest()["waited"] < 1 and made.undisturbed() == 8.0 * (1 - made.manifest()["waited"])
    file = made.folder / "manifest.json"

    def said(**about) -> float:
        file.write_text(json.dumps({"seconds": 8.0, "device": "cpu"} | about))
        return made.undisturbed()

    assert said(waited=0.75) == 2.0 and said(waited=0.75, device="cuda") == 8.0 and said() == 8.0


def test_the_share_of_waiting_is_what_the_system_says(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "THREADS", tmp_path)
    assert machine.waited() == 0.0
    for thread, said in {"7": "1000 2000 7\n", "8": "0 1000 1\n", "9": "gone"}.items():
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(said)
    assert machine.waited() == 0.75


def test_what_was_never_run_takes_as_much_longer_than_what_was_as_is_usual(monkeypatch):
    """With the range of what those say that were run. What nobody knows to be usual is left out."""
    monkeypatch.setattr(run_times, "usual", lambda: {FineTune: 0.5, Influence: 2.0, NegGrad: 0.25})
    finished = Finished((Influence(), 3.0), (FineTune(epochs=2), 4.0), (SalUn(epochs=1), 100.0))
    assert run_seconds(finished, NegGrad(epochs=4)) == pytest.approx([2.75, 1.375, 5.5])  # 0.375 and 1 an epoch
    assert never_run(finished, [NegGrad()]) == {NegGrad}
    assert expected(Finished((SalUn(epochs=2), 8.0)), NegGrad(epochs=3)) == 12.0


def test_what_is_usual_is_known_of_every_algorithm():
    known = set(ALGORITHMS.values()) - {Retrain, Original}
    assert usual().keys() == known, "python docs/algorithms.py --measure ./store times them"
    assert all(0 < seconds < 60 for seconds in usual().values())


def test_what_was_never_run_takes_as_long_as_the_others(monkeypatch):
    monkeypatch.setattr(run_times, "usual", dict)
    finished = Finished((Influence(), 3.0), (FineTune(epochs=2), 8.0), (FineTune(epochs=4), 20.0))
    assert expected(finished, NegGrad(epochs=3)) == 3 * np.median([3.0, 4.0, 5.0])
    assert expected(finished, ALGORITHMS["fisher"]()) == np.median([3.0, 8.0, 20.0])  # a whole run
    assert never_run(finished, [plan(FineTune(), NegGrad()), ALGORITHMS["fisher"]()]) == {NegGrad, ALGORITHMS["fisher"]}
    nothing = Finished()
    assert expected(nothing, NegGrad(epochs=3)) == pytest.approx(6.0) and expected(nothing, Influence()) == 10.0


def test_only_runs_of_one_algorithm_say_how_long_it_takes(monkeypatch):
    """A plan of several tells of none of them, whether they have epochs or not; where the others are left, it does."""
    monkeypatch.setattr(run_times, "usual", dict)
    mixed = Finished((plan(Original(), Influence(), FineTune(epochs=2)), 100.0), (SalUn(epochs=2), 4.0))
    assert expected(mixed, FineTune(epochs=2)) == 4.0 and never_run(mixed, [FineTune()]) == {FineTune}
    left = Finished((plan(Original(), Original(), FineTune(epochs=2)), 6.0), (SalUn(epochs=2), 400.0))
    assert expected(left, FineTune(epochs=2)) == 6.0


def test_a_plan_takes_as_much_longer_than_its_steps_as_those_that_were_run():
    both = plan(SalUn(epochs=2), FineTune(epochs=2))
    finished = Finished((SalUn(epochs=2), 4.0), (FineTune(epochs=4), 12.0), (both, 25.0))
    assert expected(finished, both) == 10.0  # as if it were one of several tries
    finished = Finished(*finished.runs)
    finished.table.loc[3, "kind"] = "plan"
    assert expected(finished, both) == pytest.approx(25.0)
    assert expected(finished, plan(SalUn(epochs=1), Original())) == pytest.approx(5.0)
    assert expected(finished, SalUn(epochs=2)) == 4.0


def test_a_trial_takes_what_trials_of_its_algorithm_took(monkeypatch):
    """In a search more runs go side by side than in a method, so each takes less."""
    search = SimpleNamespace(unlearners=(SalUn(epochs=2), SalUn(epochs=2, lr=0.5)), seeds=(0, 1))
    finished = Finished((SalUn(epochs=2), 40.0), (FineTune(epochs=2), 8.0))
    finished.forget, finished.store = None, SimpleNamespace(find=lambda asked: asked.result)
    monkeypatch.setattr(run_times, "searches", lambda *_: {SalUn(): search})
    search.result = SimpleNamespace(undisturbed=lambda: 4.0)
    assert trial_seconds(finished, SalUn(epochs=3)) == pytest.approx([1.5, 0.75, 3.0])  # 8 epochs took 4 seconds
    assert trial_seconds(finished, FineTune(epochs=2)) == pytest.approx(run_seconds(finished, FineTune(epochs=2)))
    again = Finished((SalUn(epochs=2), 40.0))
    again.forget, again.store, search.result = None, finished.store, None  # it was removed
    assert trial_seconds(again, SalUn(epochs=2))[0] == 40.0
