"""Files that visitors give to pages fill no more of the server's memory than they may."""

import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException
from streamlit import config

from pages.shared import uploads

MB = 2**20


@pytest.fixture
def server(monkeypatch):
    """(give(visit, name, megabytes), the files held) of a server that takes files of up to 4 MB."""
    known = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: 4 if name == "server.maxUploadSize" else known(name))
    held = {}
    add = uploads.limited(lambda visit, file: held.setdefault(visit, {}).__setitem__(file.file_id, file), held)
    return lambda visit, name, size: add(visit, SimpleNamespace(file_id=name, data=bytes(int(size * MB)))), held


def test_a_visit_may_give_twice_the_largest_file(server):
    give, held = server
    give("a", "1", 4)
    give("a", "2", 4)
    with pytest.raises(HTTPException) as refused:
        give("a", "3", 0.1)
    assert refused.value.status_code == 413 and refused.value.detail == uploads.FULL
    give("a", "2", 3)  # in the place of the one before
    give("a", "3", 1)
    give("b", "1", 4)
    assert {visit: list(of) for visit, of in held.items()} == {"a": ["1", "2", "3"], "b": ["1"]}


def test_all_visits_together_may_give_ten_times_the_largest(server):
    give, held = server
    for visit in "abcdefghij":
        give(visit, "1", 4)
    with pytest.raises(HTTPException):
        give("k", "1", 0.1)
    del held["c"]  # it ended
    give("k", "1", 4)


def test_files_that_come_at_once_are_counted_one_after_the_other(server):
    give, held = server

    def try_one(number):
        with suppress(HTTPException):
            give("a", str(number), 1)

    threads = [threading.Thread(target=try_one, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held["a"]) == 8
