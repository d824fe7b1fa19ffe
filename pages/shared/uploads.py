"""How much may be given to pages at once. What a page was given lies in the server's memory until the visit ends, and
whoever visits could send files for as long as there is some.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache

from starlette.exceptions import HTTPException
from streamlit import config, runtime

EACH = 2  # times the largest file, in one visit: two boxes of a page can be full
ALL = 10  # times the largest file, in all visits together
FULL = "There are too many files on the server just now. Remove one, or close a page that you no longer need."


@cache
def limit() -> None:
    """Let this server refuse files beyond that; where there is no server, nothing is done."""
    if runtime.exists():
        files = runtime.get_instance().uploaded_file_mgr
        files.add_file = limited(files.add_file, files.file_storage)


def limited(add: Callable, held: Mapping[str, Mapping[str, object]]) -> Callable:
    """`add` (visit, file), which refuses what goes beyond the limits; `held` are the files of each visit by name."""
    turn = threading.Lock()

    def add_file(session_id: str, file) -> None:
        most = config.get_option("server.maxUploadSize") * 2**20
        with turn:  # or two that fit alone would both be taken
            sizes = {visit: sum(len(each.data) for each in of.values()) for visit, of in list(held.items())}
            if (old := held.get(session_id, {}).get(file.file_id)) is not None:
                sizes[session_id] -= len(old.data)
            more = len(file.data)
            if sizes.get(session_id, 0) + more > EACH * most or sum(sizes.values()) + more > ALL * most:
                raise HTTPException(413, FULL)
            add(session_id, file)

    return add_file
