"""Where the stages meet and the store is used: the one place that does both.

door.py        fulfil(), the one door to every result; spread.py makes many at once
trained_models.py models as stored results, with what they say of all images; unfinished.py how far one in training is,
               embedded_images.py where images lie under one, unlearned_models.py what an algorithm makes of one
equal_retention.py its methods mixed back to one level of accuracy (UWC)
proxies        cheaper scores: proxy_scores.py makes them, proxy_table.py says what they are worth
memorized.py   how memorized the images are: by a bank of models, or without one
attributes.py  what is known of the training images before anything is unlearned
measures.py    an unlearned model against its retrained reference
tuning.py      choosing learning rates, on models that are not reported; model_seeds.py where the seeds of each kind of
               model begin
search         the best plan: voices.py what stored studies say, advice.py what they suggest, search_space.py what can
               be tried, trials.py tries it, side_by_side.py many at once, search.py confirms the best, search_cost.py
               says what that will take
study.py       one forget set, many ways to forget it, over seeds; outcome.py what came of it in two numbers;
               outdated.py those of an earlier version
paper.py       all of the paper on one dataset, as a list of specs; paper_trends.py what that shows of its findings,
               paper_lines.py how each is measured
stream.py      several requests in a row: does what was forgotten stay forgotten, and who else is exposed;
               stream_cost.py what that will take
leaderboard.py all algorithms on three tasks of the digits, and the search for their defaults
rehearsal.py   whether a study fits its images, before it is run
study_table.py the names of its references and the order of its methods
views.py       a finished study as arrays and tables; listed.py all of them in a list, and what a store holds
forget_sets.py sets that were saved, by hash and by name; set_numbers.py what is said of any set while it changes,
               beside_random.py where it stands among random ones
saved_plans.py plans kept under their names; earlier_plans.py those that ran on one set
recommended.py sets worth a look, with their evidence; map_values.py what images on a map are coloured by
own_weights.py a model from elsewhere, checked and kept; judged.py one that was unlearned there, among_retrained.py how
own_images.py  what an own dataset holds; added_images.py takes one in and keeps what was found
comparison.py  its methods beside each other; measured_groups.py what they are measured on, telling.py what can be told,
               other_runs.py runs of other studies beside them, trade_off.py what forgetting cost each in accuracy
predictions.py what models take images for, class by class
each_image.py  how sure they are of single images
layers.py      how alike their layers compute
shared_map.py  where images lie under several models, on one map
audit.py       attacks on its models; verdicts.py what one comes to, telling.py what they tell, retrain_free.py what
               can be said without retrained models
shown.py       in which study, and beside which method, any result is looked at
tiers          an audit of one way of forgetting, as deep as is asked
bundle         a study as one file, out of one store and into another; recorded.py tells which came so
guessing.py    a game: which of two images was the model trained on?
forecast.py    what the next study will cost, from what this one took (run_times.py), what was timed on the same set
               (set_times.py) and what is usual (usual_times.py, which reads usual_times.json); asking_cost.py what
               it takes to ask its models again, first_cost.py what a study of other images will cost by its pace
               (pace.py), memory_cost.py its memory
landscape.py   what algorithms reach on hundreds of forget sets; landscape_sets.py draws these sets,
               landscape_cost.py says what they will take
difficulty.py  what to expect of a set that was never run; reach.py of which sets; law.py how closeness goes with what
               a set is
try_everything.py every algorithm on one forget set, the finished ones first
again.py       a stored result made once more, and compared (differences.py); soundness.py: is all of a store whole
"""

from unlearn_core.experiment.added_images import AddedImages
from unlearn_core.experiment.bank import BankPart
from unlearn_core.experiment.door import fulfil
from unlearn_core.experiment.embedded_images import Embedding, Map
from unlearn_core.experiment.equal_retention import EqualRetention
from unlearn_core.experiment.forget_sets import KeptSet
from unlearn_core.experiment.judged import Judged
from unlearn_core.experiment.landscape import Landscape
from unlearn_core.experiment.layers import LayerCka
from unlearn_core.experiment.listed import studies
from unlearn_core.experiment.own_weights import OwnWeights
from unlearn_core.experiment.proxy_table import ProxyTable
from unlearn_core.experiment.search import PlanSearch
from unlearn_core.experiment.shared_map import SharedMap
from unlearn_core.experiment.stream import Stream
from unlearn_core.experiment.study import Study, example, recorded_example
from unlearn_core.experiment.tiers import Audit
from unlearn_core.experiment.try_everything import TryEverything
from unlearn_core.experiment.tuning import Tuning
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.experiment.views import OpenStudy

__all__ = [
    "AddedImages",
    "Audit",
    "BankPart",
    "Embedding",
    "EqualRetention",
    "Judged",
    "KeptSet",
    "Landscape",
    "LayerCka",
    "Map",
    "OpenStudy",
    "OwnWeights",
    "PlanSearch",
    "ProxyTable",
    "Run",
    "SharedMap",
    "Stream",
    "Study",
    "TryEverything",
    "Tuning",
    "example",
    "fulfil",
    "recorded_example",
    "studies",
]
