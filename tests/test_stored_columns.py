"""What a study stores stands under the version of its spec: whoever stores something else raises it."""

from itertools import chain

from pages.shared.method_table import TABLES
from unlearn_core.experiment import Study
from unlearn_core.experiment.comparison import COLUMNS
from unlearn_core.store import Store

MEASURED = {
    "attack_auc", "forget_accuracy", "forget_disagreement", "group_tow", "lira_auc", "mia_efficacy", "retain_accuracy",
    "test_accuracy", "test_disagreement", "tow", "tow_mia", "tpr_at_1_fpr",
}  # fmt: skip
HELD = {
    "Study 1": {
        "table": MEASURED
        | {"low_accuracy", "medium_accuracy", "high_accuracy"}
        | {"method", "title", "kind", "seed", "result", "seconds", "diverged_at"},
        "arrays": {"forget", "part_low", "part_medium", "part_high"},
        "summary": {
            "name", "forget", "parts", "seeds", "seconds", "accuracy", "entanglement", "tow", "group_tow", "part_gaps",
            "attack_auc", "lira_auc", "intervals", "learning_rates", "at_grid_edge", "plans_against_best_single",
            "bank_fitted", "bank_models", "bank_warning", "privacy",
        },
    },
}  # fmt: skip


def test_what_is_stored_changes_with_its_version(filled_store):
    """A stored study without a column would be read as one that could not measure it."""
    result = next(Store(filled_store).results("Study"))
    read = {".parquet": result.table, ".safetensors": result.arrays, ".json": result.json}
    files = [file for file in result.folder.iterdir() if file.stem not in ("spec", "manifest")]
    found = {file.stem: set(read[file.suffix](file.stem)) for file in files}
    said = "raise `version` of Study, which is 1 where it has no such line, and write HELD in this file anew"
    assert {f"Study {Study.version}": found} == HELD, said


def test_every_measured_column_has_a_row_on_the_pages():
    about = {"method", "title", "kind", "seed", "result", "seconds", "diverged_at"}
    (held,) = HELD.values()
    measured, on_pages = held["table"] - about, set(chain(*TABLES.values()))
    said = f"give {sorted(measured ^ set(COLUMNS))} a line in COLUMNS of unlearn_core/experiment/comparison.py"
    assert measured == set(COLUMNS), f"{said}, or in HELD of this file, whichever lacks it"
    said = (
        f"name {sorted(measured ^ on_pages)} in a table of TABLES in pages/shared/method_table.py, or take it out there"
    )
    assert measured == on_pages, said
