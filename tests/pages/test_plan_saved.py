"""Saved plans on Plan: what somebody else saved meanwhile is not replaced in silence."""

import shutil

import pytest

from unlearn_core.experiment.saved_plans import save, saved
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.unlearning import SalUn


@pytest.mark.parametrize("theirs", [None, Plan(low_cut=0.2), Plan(high=SalUn())])
def test_who_replaces_a_plan_that_was_saved_meanwhile_is_told(open_page, filled_store, tmp_path, theirs):
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    at = open_page("plan", store.root)
    (name,) = (w.value for w in at.text_input if w.label == "Name of the plan")
    if theirs is not None:
        save(store, theirs.but(name=name.upper()))
    at.button(key="plan.save").click().run()
    assert not at.exception and [plan.name for plan in saved(store)] == [name]
    said = f"{name} is saved in this store."
    said += " Another plan of this name is in the trash, where you can undo it: Runs." if theirs else ""
    assert said in [c.value.replace("\\", "") for c in at.caption]
