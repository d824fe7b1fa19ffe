"""Ten people at one server at once: nobody meets an error or the study of another, and the memory stays flat."""

from tests.clients import together


def test_ten_clients_at_once(tmp_path, capsys):
    found = together(tmp_path / "store", clients=10, seconds=12)
    with capsys.disabled():
        print(found | {"wrong": len(found["wrong"])})
    assert found["wrong"] == []
    assert found["runs"] > 50 and found["clicks"] > 5
    before, after = found["megabytes"]
    assert after < before * 1.25, "the memory grows"
