"""Where the stages meet and the store is used: the one place that does both.

stages.py    each stage of the data's way as a stored result; fulfil() is the one door
measures.py  an unlearned model against its retrained reference
study.py     one forget set, many ways to forget it, over seeds
views.py     finished studies as arrays and tables
"""

from unlearn_core.experiment.stages import BankPart, Embedding, Map, Run, fulfil
from unlearn_core.experiment.study import Study, Tuning, example
from unlearn_core.experiment.views import OpenStudy, studies

__all__ = ["BankPart", "Embedding", "Map", "OpenStudy", "Run", "Study", "Tuning", "example", "fulfil", "studies"]
