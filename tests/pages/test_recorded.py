"""A study that came in a file: opened on Start, marked on every page, and only read."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from pages.shared import recorded as recorded_page
from pages.shared import state
from pages.shared.recorded import EXAMPLE
from unlearn_core.data import Data, add
from unlearn_core.experiment import OpenStudy, Study, embedded_images, example, fulfil, recorded_example
from unlearn_core.experiment.bundle import export, import_bundle, recorded
from unlearn_core.experiment.pace import pace
from unlearn_core.experiment.trained_models import dataset
from unlearn_core.forget import AtRandom
from unlearn_core.kinds import KINDS
from unlearn_core.params import BadValue, key
from unlearn_core.report import write
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def captions(at) -> str:
    return "\n".join(e.value for e in at.caption)


@pytest.fixture(scope="module")
def written(unbanked_store, unbanked_study, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "study.zip"
    export(Store(unbanked_store), key(unbanked_study), path)
    return path


def upload(at, name: str, data: bytes):
    next(u for u in at.get("file_uploader") if "zip" in u.label).set_value((name, data, "application/zip"))
    return button(at, "Open this file").click().run()


def import_example(store: Store) -> str:
    """The study that comes with the program, which is of an earlier version where one was raised since."""
    try:
        return import_bundle(store, EXAMPLE)
    except BadValue as error:
        pytest.fail(f"{error} Where a version was raised, run python docs/recorded.py ./store", pytrace=False)


def test_a_version_that_was_raised_asks_for_the_recorded_example_anew(store, monkeypatch):
    monkeypatch.setattr(Study, "version", Study.version + 1)
    with pytest.raises(pytest.fail.Exception, match="version . cannot be read.* run python docs/recorded.py ./store$"):
        import_example(store)


def test_a_file_is_opened_marked_and_only_read(open_page, store, written, unbanked_study, submitted):
    at = upload(open_page("start", store.root), "study.zip", written.read_bytes())
    assert not at.exception and not at.error
    assert at.title[0].value == "Explore" and at.query_params["study"] == key(unbanked_study)
    assert recorded(Store(store.root), key(unbanked_study))
    at = open_page("audit", store.root, study=key(unbanked_study), view="distribution")
    assert any("Recorded study" in c.value and "was not run here" in c.value for c in at.sidebar.caption)


def test_a_study_that_is_here_already_is_said_to_be(open_page, store, written, unbanked_study):
    said = "The study of that file was here already, so it was not imported again."
    for already in (False, True):
        at = upload(open_page("start", store.root), "study.zip", written.read_bytes())
        assert not at.exception and not at.error and at.query_params["study"] == key(unbanked_study)
        assert any(said in c.value for c in at.sidebar.caption) == already
    assert not any(said in c.value for c in open_page("audit", store.root, study=key(unbanked_study)).sidebar.caption)


def test_the_recorded_example_opens_at_once_on_every_page(open_page, tmp_path):
    """It is of this very version: if not, `python docs/recorded.py STORE` makes it anew."""
    at = button(open_page("start", tmp_path / "new"), "Open a recorded run").click().run()
    assert not at.exception and not at.error, "where a version was raised, run python docs/recorded.py ./store"
    study = key(recorded_example())
    assert at.title[0].value == "Explore" and at.query_params["study"] == study
    assert recorded(Store(tmp_path / "new"), study)
    for page in ("plan", "compare", "audit", "report", "guess"):
        at = open_page(page, tmp_path / "new", study=study)
        assert not at.exception and not at.error
        assert any("Recorded study" in c.value for c in at.sidebar.caption)
    button(at := open_page("start", tmp_path / "new"), "Open a recorded run").click().run()
    assert at.title[0].value == "Explore" and at.query_params["study"] == study


def test_the_recorded_example_has_one_of_each_kind_that_a_page_opens(tmp_path):
    """No page offers to compute what is not there."""
    import_example(store := Store(tmp_path / "new"))
    lacking = {name for name, row in KINDS.items() if row.opens and not row.left} - set(store.kinds())
    assert not lacking, f"add {lacking} to evidence() of docs/recorded.py, then run python docs/recorded.py ./store"


def test_nothing_that_is_run_rests_on_the_recorded_example(tmp_path):
    """It is small because it holds no weights, so none of its models may be one that another study asks for."""
    assert EXAMPLE.stat().st_size < 6 << 20
    store, study = Store(tmp_path / "new"), import_example(Store(tmp_path / "new"))
    lacking = [r for kind in store.kinds() for r in store.results(kind) if r.lacks]
    assert {kind.__name__ for kind in map(type, (r.spec() for r in lacking))} == {"Training", "Run"}
    widths = {r.spec().width for r in lacking if isinstance(r.spec(), Training)}
    assert widths == {recorded_example().training.width} and example().training.width not in widths
    assert study == key(recorded_example())
    # Nor is it told by its seconds how long work takes here.
    assert pace(store, example().training, dataset(store, Data())) is None


def test_a_viewer_has_no_box_for_a_file(open_page, store, monkeypatch):
    def off(at) -> dict:
        return {box.label: box.disabled for box in at.get("file_uploader")}

    assert set(off(open_page("start", store.root, own="yes")).values()) == {False}
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    assert set(off(open_page("start", store.root, own="yes")).values()) == {True}


@pytest.mark.parametrize(("page", "label"), [("plan", "Measure the landscape"), ("explore", "Compare all scores")])
def test_work_is_started_on_ones_own_study_only(
    open_page, written, unbanked_store, unbanked_study, tmp_path, page, label
):
    own = shutil.copytree(unbanked_store, tmp_path / "own")
    at = open_page(page, own, study=key(unbanked_study))
    assert not button(at, label).disabled and "came in a file" not in captions(at)
    (own / "results" / "Study" / key(unbanked_study) / "recorded.json").write_text(
        '{"imported": "2026-01-02T03:04:05Z"}'
    )
    at = open_page(page, own, study=key(unbanked_study))
    assert button(at, label).disabled and "no work is started on it" in captions(at)
    assert "It came in a file on 2026-01-02" in captions(at).replace("\\", "")


def test_a_file_with_something_wrong_is_refused_in_one_sentence(open_page, store, written, tmp_path):
    at = open_page("start", store.root)
    button(at, "Open this file").click().run()
    assert [i.value for i in at.info] == ["Choose a file first."]
    cut = tmp_path / "more.zip"
    shutil.copy(written, cut)
    with zipfile.ZipFile(cut, "a") as archive:
        archive.writestr("evil/../../x", "x")
    for data in (written.read_bytes()[:5000], b"no zip", cut.read_bytes()):
        at = upload(open_page("start", store.root), "study.zip", data)
        assert not at.exception and len(at.error) == 1
        said = at.error[0].value.replace("\\", "")
        assert said.startswith("This file cannot be imported: ") and said.endswith(".")
    assert not list((store.root / "results").glob("*/*"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory, tiny):
    """(a store with a recorded study whose images stayed behind, its key, the folder of these images)."""
    folder = tmp_path_factory.mktemp("bare")
    for i, (x, y) in enumerate(zip(tiny.train.x[:160], tiny.train.y[:160], strict=True)):
        place = folder / "images" / tiny.classes[int(y)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[0].numpy()).save(place / f"{i:03}.png")
    store = Store(folder / "own")
    add(folder / "images", "mine_own", store.root / "data")
    training = Training(model="mlp", width=16, epochs=2, lr=0.2, batch=32, data=Data(name="mine_own"))
    study = Study(
        training=training, models=0, seeds=2, tuning_seeds=0, forget=AtRandom(size=30),
        unlearners=(FineTune(epochs=1),), plans=(), controls=False,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy())
        patch.setattr("unlearn_core.experiment.bundle.writing.IMAGES_BYTES", 10)
        fulfil(store, study)
        export(store, key(study), folder / "bare.zip", weights=False)
    import_bundle(Store(folder / "store"), folder / "bare.zip")
    return folder / "store", key(study), folder / "images"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A store with the recorded example."""
    folder = tmp_path_factory.mktemp("shipped") / "store"
    import_example(Store(folder))
    return folder


COMPARED = ("trade-off", "ranking", "predictions", "classes", "images", "layers", "maps", "numbers")
EVIDENCE = ("attack", "numbers", "images", "models", "kept", "free", "requests")
VIEWS = [("compare", {"compare": view}) for view in COMPARED] + [("audit", {"evidence": view}) for view in EVIDENCE]


@pytest.mark.parametrize(("page", "view"), [*((p, {}) for p in ("explore", "plan", "report", "guess")), *VIEWS])
def test_without_images_and_weights_every_page_can_be_read(open_page, bare, page, view):
    store, study, _ = bare
    at = open_page(page, store, study=study, **view)
    assert [e.value for e in (*at.exception, *at.error)] == [] and at.title
    said = "\n".join(c.value for c in at.sidebar.caption).replace("\\", "")
    assert "grey squares stand for them until you add your own copy of them as mine_own." in said


@pytest.mark.parametrize(("page", "view"), [("explore", {}), *VIEWS])
def test_every_view_of_the_recorded_example_has_something_to_show(open_page, shipped, page, view):
    """Who opens it cannot run what a view lacks."""
    asked = view | ({"method": "l1-sparse"} if view.get("evidence") == "requests" else {})
    at = open_page(page, shipped, study=key(recorded_example()), **asked)
    assert not at.exception and not at.error and recorded_page.READ_ONLY not in captions(at)


def test_its_seconds_are_told_as_those_of_another_machine(open_page, shipped, filled_store, study):
    named = key(recorded_example())
    texts = {}
    for store, shown in ((shipped, named), (filled_store, study.key)):
        plan, numbers = (
            open_page(page, store, study=shown, **view)
            for page, view in (("plan", {}), ("compare", {"compare": "trade-off"}))
        )
        report = write(OpenStudy.open(Store(store), shown), "technical")
        said = [e.value for at in (plan, numbers) for e in (*at.markdown, *at.caption)]
        texts[shown] = "\n".join([*said, *(e.help for e in numbers.caption), report])
    ours, theirs = texts[study.key], texts[named]
    assert "seconds say what it took here." in ours and "** here, many at once" in ours and "machine where" not in ours
    assert "seconds say what it took on the machine where this study was made." in theirs
    assert "** on the machine where it was made, many at once" in theirs and "** here, many" not in theirs
    assert "By what its runs took on the machine where it was made." in theirs
    assert "Times are those of the machine where the study was made." in theirs


def test_the_first_view_of_the_audit_says_what_shadow_models_found(open_page, shipped):
    said = {}
    for method in ("rum", "salun"):  # audited with shadow models, and not
        at = open_page("audit", shipped, study=key(recorded_example()), method=method)
        said[method] = "\n".join(m.value for m in at.markdown)
    assert "For an attacker with shadow models, what **RUM** leaves" in said["rum"]
    assert "shadow models" not in said["salun"]


def test_images_that_are_added_are_seen_at_once(open_page, bare, tmp_path):
    own = shutil.copytree(bare[0], tmp_path / "own")
    at = open_page("explore", own, study=bare[1])
    assert "grey squares" in "\n".join(c.value for c in at.sidebar.caption)
    add(bare[2], "mine_own", own / "data")
    at.run()
    assert not at.exception and "grey squares" not in "\n".join(c.value for c in at.sidebar.caption)
    assert len(np.unique(state.opened(bare[1]).pixels)) > 100
