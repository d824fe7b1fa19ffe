"""Start says which files of one's own are in use, and what is wrong with the others."""

from pages.shared import own_algorithms
from unlearn_core.unlearning import ALGORITHMS
from unlearn_core.unlearning.own import OwnFile


def test_start_names_what_was_loaded_what_was_not_and_what_changed(open_page, store, tmp_path, monkeypatch):
    assert "Your own algorithms" not in "".join(m.value for m in open_page("start", store.root).markdown)
    monkeypatch.setenv("UNLEARN_ALGORITHMS", str(tmp_path / "a*b"))
    (tmp_path / "same.py").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    broken = OwnFile(tmp_path / "same.py", "same", empty, None, "same.py was not loaded: line 1: <b>.")
    moved = OwnFile(tmp_path / "gone.py", "gone", empty, ALGORITHMS["scrub"])
    monkeypatch.setattr(own_algorithms, "OWN", [broken, moved])
    at = open_page("start", store.root)
    said = next(m.value for m in at.markdown if "Your own algorithms" in m.value)
    assert "a\\*b" in said and "**SCRUB**" in said and "run with all rights of this program" in said
    first, second = (w.value.replace("\\", "") for w in at.warning)
    assert first == broken.fault
    assert "Changed since this server was started: gone.py. Start it again" in second
    monkeypatch.setattr(own_algorithms, "OWN_FAULT", "The folder cannot be read.")
    assert [w.value for w in open_page("start", store.root).warning] == ["The folder cannot be read."]
