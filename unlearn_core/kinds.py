"""Every kind of result in one row: its name on the screen, what removing a study does with it, what it is about,
whether it goes along in a study's file, and the page that shows it. All of it is plain text, so who reads one column
imports nothing for the others. `tests/test_kinds.py` holds that every kind has a row, and that its row is right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# What removing a study does with a result.
GOES = "goes"  # to the trash with the study that led to it, unless other work needs it
HOLDS = "holds"  # the same; but it stands for itself, and what it rests on stays where it is about other images
STAYS = "stays"  # a person gave it, so it is no part of a study; what it rests on stays too
# What a result is about, where that is no images to forget.
TRAINING = "training"  # a training alone
STUDY = "study"  # the study that it names
NOTHING = ""  # neither: only for what stays
# Why a kind stays behind when a study is written to a file. A study that came in a file goes on with nothing.
ITS_LINES = "the audit that was made of it holds its lines"
ITS_TABLE = "the landscape that was made of it holds its table"
FURTHER = "it says what else could be run, and nothing is run on a study that came in a file"
ELSEWHERE = "a model from elsewhere is no part of a study, even where it is held against the same retrained models"
ON_THAT_MACHINE = "it names files of the machine where images were taken in; the images go along by themselves"


@dataclass(frozen=True)
class Place:
    """Where a kind of result is looked at: the page, what its address says besides the study, how that calls the
    method, and the fold that is to be open.
    """

    page: str
    view: dict[str, str] = field(default_factory=dict)
    method: str = ""
    fold: str = ""


@dataclass(frozen=True)
class Kind:
    """`name` on the screen; what `removing` a study does with it (GOES, HOLDS, STAYS); what it is `about`: TRAINING,
    STUDY, NOTHING, or the field of its spec that says which images to forget, "subject.forget" for one further in;
    why it is `left` behind, "" where it goes along in a study's file; and the place that `opens` it. What has a name
    of its own was asked for by a person, and opens somewhere.
    """

    name: str
    removing: str
    about: str
    left: str = ""
    opens: Place | None = None

    @property
    def images(self) -> str:
        """The field that says which images to forget; "" where it is about none."""
        return "" if self.about in (TRAINING, STUDY) else self.about


_SEARCH = Place("pages/plan.py", fold="search")
_OWN = Place("pages/start.py", {"own": "yes"})
KINDS = {
    "Study": Kind("Study", HOLDS, "forget", opens=Place("pages/explore.py")),
    "Training": Kind("Trained model", GOES, "without"),
    "Run": Kind("Unlearned model", GOES, "forget"),
    "Bank": Kind("Bank of subset models", GOES, TRAINING),
    "BankPart": Kind("Part of a bank", GOES, TRAINING),
    "Embedding": Kind("Embedding", GOES, TRAINING),
    "Map": Kind("Map", GOES, TRAINING),
    "Tuning": Kind("Learning rate search", GOES, TRAINING),
    "PlanSearch": Kind("Plan search", HOLDS, "forget", FURTHER, _SEARCH),
    "PlanTrial": Kind("Plan tried", GOES, TRAINING, FURTHER),
    "SearchRound": Kind("Round of a plan search", GOES, "search.forget", FURTHER),
    "BestSoFar": Kind("Best plans of a search that was stopped", HOLDS, "search.forget", FURTHER, _SEARCH),
    "ProxyTable": Kind("Cheaper scores", GOES, STUDY, opens=Place("pages/explore.py", fold="proxies")),
    "EqualRetention": Kind("Equal retention", GOES, STUDY, opens=Place("pages/compare.py", {"compare": "trade-off"})),
    "Stream": Kind(
        "Requests in a row", HOLDS, "requests", opens=Place("pages/audit.py", {"evidence": "requests"}, "method")
    ),
    "Audit": Kind("Audit", HOLDS, "subject.forget", opens=Place("pages/audit.py", {"evidence": "numbers"}, "method")),
    "Instant": Kind("Audit of one seed", GOES, "subject.forget", ITS_LINES),
    "Relearned": Kind("Relearning of one seed", GOES, "subject.forget", ITS_LINES),
    "PerExample": Kind("Shadow models", GOES, "subject.forget"),
    "Inversion": Kind("Deletions read", GOES, "subject.forget", ITS_LINES),
    "Distribution": Kind("Many models compared", GOES, "subject.forget"),
    "Holdout": Kind("Held-out retraining", GOES, TRAINING),
    "Curvature": Kind("Loss curvature", GOES, TRAINING),
    "Landscape": Kind("Difficulty landscape", GOES, TRAINING, opens=Place("pages/plan.py", fold="forecast")),
    "LandscapeSets": Kind("Sets of a landscape", GOES, TRAINING, ITS_TABLE),
    "LandscapePart": Kind("Part of a landscape", GOES, TRAINING, ITS_TABLE),
    "TryEverything": Kind("Everything on one set", HOLDS, "forget", FURTHER, Place("pages/plan.py", fold="everything")),
    "Attempt": Kind("Way of forgetting tried", GOES, "forget", FURTHER),
    "KeptSet": Kind("Forget set kept", STAYS, NOTHING),
    "LayerCka": Kind("Layers compared", GOES, STUDY, opens=Place("pages/compare.py", {"compare": "layers"})),
    "SharedMap": Kind(
        "One map of several models", GOES, STUDY, opens=Place("pages/compare.py", {"compare": "maps"}, "of")
    ),
    "OwnWeights": Kind("Model from elsewhere", STAYS, NOTHING, ELSEWHERE),
    "Judged": Kind("Model from elsewhere, judged", STAYS, "forget", ELSEWHERE, _OWN),
    "AddedImages": Kind("Own images", STAYS, NOTHING, ON_THAT_MACHINE, _OWN),
}
CARRIED = tuple(name for name, kind in KINDS.items() if not kind.left)  # in a study's file


def kind_of(spec: str) -> Kind:
    """The row of a kind of spec; of one that this version does not know, one that says as little as can be."""
    return KINDS.get(spec) or Kind(spec, GOES, NOTHING)
