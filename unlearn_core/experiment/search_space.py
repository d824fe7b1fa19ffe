"""The plans that a search may try: those of a grid, or what Optuna makes of the scores so far.

A round of a search is a pure function of the search and of what the rounds before it found, so a search that is
started again asks for the same plans and finds their results in the store.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, permutations, product

import numpy as np

import unlearn_core.experiment.tuning as tuning
from unlearn_core.rum import PARTS, Plan
from unlearn_core.unlearning import Unlearner
from unlearn_core.unlearning.ends.original import Original


def settings(unlearner: Unlearner, rates: Sequence[float]) -> tuple[Unlearner, ...]:
    """An algorithm at each factor of its own learning rate, from small to large and as far as its range goes; as it is
    where it has none.
    """
    return tuning.settings(unlearner, sorted(rates)) or (unlearner,)


@dataclass(frozen=True)
class Space:
    """All plans that a search may try.

    `plan` says how the set is cut, `names` which of its parts have images (nothing is tried on an empty one), `choices`
    what may run on a part: the settings of each algorithm, the first of which leaves the part as it is.
    """

    plan: Plan
    names: tuple[str, ...]
    choices: tuple[tuple[Unlearner, ...], ...]
    orders: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, plan: Plan, names: Sequence[str], algorithms: Sequence[Unlearner], rates, orders: str) -> Space:
        seen: set[Unlearner] = set()
        choices = []
        for group in [(Original(),), *(settings(u, rates) for u in algorithms)]:
            fresh = tuple(u for u in group if u not in seen)  # one algorithm may be named twice, at rates that meet
            seen.update(fresh)
            choices += [fresh] * bool(fresh)
        ways = (plan.order,) if orders == "fixed" else tuple(dict.fromkeys([plan.order, *permutations(PARTS)]))
        return cls(plan, tuple(names), tuple(choices), ways)

    @property
    def size(self) -> int:
        return sum(map(len, self.choices)) ** len(self.names) * len(self.orders)

    def grid(self, start: int = 0, stop: int | None = None) -> Iterator[Plan]:
        """Every plan, or those from number `start` to before `stop`. Plans that begin alike come one after the other,
        so that they share their first steps.
        """
        flat = [unlearner for group in self.choices for unlearner in group]
        every = ((order, chosen) for order in self.orders for chosen in product(flat, repeat=len(self.names)))
        for order, chosen in islice(every, start, stop):
            run = [name for name in order if name in self.names]
            yield self.plan.but(order=order, **dict(zip(run, chosen, strict=True)))

    # -- Optuna --------------------------------------------------------------------------------------------------------

    def optuna_round(self, number: int, size: int, seed: int, tried: Sequence[tuple[Plan, float]]) -> list[Plan]:
        """The next plans by a tree-structured Parzen estimator, from the scores of all that was tried before.

        The plans of one round are asked for before any of their scores is known; meanwhile the sampler takes them for
        bad ones, so that they do not crowd together.

        Source: Bergstra, Bardenet, Bengio, Kegl (2011), "Algorithms for Hyper-Parameter Optimization", NeurIPS; by
        Optuna, Akiba et al. (2019), arXiv:1907.10902.
        """
        import optuna  # here, because it brings a database library along

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Each round has a sampler of its own, so what it draws hangs on nothing but the seed and the scores.
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=own, multivariate=False, constant_liar=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for plan, score in tried:
            study.add_trial(self._known(plan, score))
        return [self._asked(study.ask()) for _ in range(size)]

    def _asked(self, trial) -> Plan:
        """The plan that Optuna draws: an algorithm for each part, its rate where there are several, and the order."""
        chosen = {}
        for name in self.names:
            group = self.choices[trial.suggest_categorical(name, range(len(self.choices)))]
            rate = trial.suggest_int(f"{name} {group[0].title} rate", 0, len(group) - 1) if len(group) > 1 else 0
            chosen[name] = group[rate]
        return self.plan.but(order=self.orders[trial.suggest_categorical("order", range(len(self.orders)))], **chosen)

    def _known(self, plan: Plan, score: float):
        """A plan with its score as Optuna would remember that it had asked for it."""
        from optuna.distributions import CategoricalDistribution, IntDistribution
        from optuna.trial import create_trial

        values, spread = {}, {}

        def record(name: str, value: int, distribution) -> None:
            values[name], spread[name] = value, distribution

        for name in self.names:
            which, group = next((i, g) for i, g in enumerate(self.choices) if getattr(plan, name) in g)
            record(name, which, CategoricalDistribution(range(len(self.choices))))
            if len(group) > 1:
                rate = group.index(getattr(plan, name))
                record(f"{name} {group[0].title} rate", rate, IntDistribution(0, len(group) - 1))
        record("order", self.orders.index(plan.order), CategoricalDistribution(range(len(self.orders))))
        return create_trial(value=score, params=values, distributions=spread)
