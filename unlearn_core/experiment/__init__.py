"""Where the stages meet and the store is used: the one place that does both.

stages.py      each stage of the data's way as a stored result; fulfil() is the one door
equal_retention.py its methods mixed back to one level of accuracy (UWC)
proxies        cheaper scores: proxy_scores.py makes them, proxy_table.py says what they are worth
memorized.py   how memorized the images are: by a bank of models, or without one
attributes.py  what is known of the training images before anything is unlearned
measures.py    an unlearned model against its retrained reference
tuning.py      choosing learning rates, on models that are not reported
search         the best plan: proposals.py says what to try, side_by_side.py tries many at once, search.py confirms
study.py       one forget set, many ways to forget it, over seeds
leaderboard.py all algorithms on three tasks of the digits, and the search for their defaults
rehearsal.py   whether a study fits its images, before it is run
views.py       a finished study as arrays and tables
comparison.py  its methods beside each other
audit.py       attacks on its models
forecast.py    what the next study will cost, from what this one took
"""

from unlearn_core.experiment.bank import BankPart
from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.proxy_table import ProxyTable
from unlearn_core.experiment.search import PlanSearch
from unlearn_core.experiment.stages import Embedding, Map, Run, fulfil
from unlearn_core.experiment.study import Study, example
from unlearn_core.experiment.tuning import Tuning
from unlearn_core.experiment.views import OpenStudy, studies

__all__ = [
    "BankPart",
    "Embedding",
    "EqualRetention",
    "Map",
    "OpenStudy",
    "PlanSearch",
    "ProxyTable",
    "Run",
    "Study",
    "Tuning",
    "example",
    "fulfil",
    "studies",
]
