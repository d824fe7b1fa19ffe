"""Who may come in, and who may do what.

Three roles, each holding those before it. A viewer looks at everything and changes nothing in the store. A runner also
starts, cancels and resumes work, saves sets and plans under new names, and adds images, weights and studies. An admin
also removes and replaces what is kept, undoes a removal and empties the trash.

Who has which:

- At an address of this machine only, without a login: admin. Whoever can reach it is at this machine.
- Behind something else that stands guard (UNLEARN_BEHIND_PROXY=yes), without a login: runner. Nobody has a name there,
  so nobody can take away what others made, and the work can be done all the same.
- UNLEARN_ROLE gives everybody without a login another role.
- With a login ([auth] in the secrets): by the e-mail lists of [roles] there, and who is on no list is refused.

Any other address that can be reached from outside is refused to everybody.
"""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from pages.shared.text import escape
from unlearn_core import jobs
from unlearn_core.job import Expected
from unlearn_core.params import BadValue, Spec
from unlearn_core.store import Store

ROLES = ("viewer", "runner", "admin")
WHAT_FOR = {"runner": "to start work or add to the store", "admin": "to remove or replace what is kept"}
ONE = {"runner": "a runner", "admin": "an admin"}
LOCAL = "local"  # who asks where nobody logs in
LOGIN = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
NEEDED = ("authlib", "httpx")  # what Streamlit logs in with
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")
EXPOSED = (
    "This workbench can be reached from other machines and nothing stands guard, so it shows nothing: SECURITY.md says "
    "how to set up a login, or how to say that a proxy stands guard."
)
UNREADABLE = "The file of secrets of this server cannot be read, so nobody is let in."
BAD_ROLES = (
    "The lists of roles of this server cannot be used, so nobody is let in: viewer, runner and admin are lists of "
    'e-mail addresses, and viewer can be "everyone".'
)
NOT_INSTALLED = "The login of this server needs streamlit[auth], which is not installed, so nobody is let in."
NO_ROLES = "This server has a login but no lists of roles, so nobody is let in."
STRANGER = "Log in to see this workbench."
UNVERIFIED = "Whoever runs the login has not verified your e-mail address, so it opens nothing here."
UNKNOWN = "You are logged in, but your e-mail address is on no list of this server: ask whoever runs it."


class NotAllowed(BadValue):
    """Somebody asked for what their role does not hold; the message is one sentence fit for the screen."""


# -- coming in ---------------------------------------------------------------------------------------------------------


def barred() -> str:
    """Why whoever asks is not let in, in one sentence; "" where they are."""
    return _standing()[1]


def turn_away() -> None:
    """All that somebody sees who is not let in: why, and the way in where there is one."""
    st.markdown(escape(barred()))
    if _secrets() and "auth" in _secrets():
        if st.user.get("is_logged_in") is True:
            st.button("Log out", on_click=st.logout)
        elif barred() == STRANGER:
            st.button("Log in", on_click=st.login)


def about() -> None:
    """Who is logged in, and what the role does not hold where it is not all; nothing for an admin without a login."""
    if who() != LOCAL:
        st.caption(f"Logged in as {escape(who())}, {role()}.")
        st.button("Log out", type="tertiary", on_click=st.logout)
    elif role() != ROLES[-1]:
        st.caption(f"You are here as a {role()}.")


def who() -> str:
    """The e-mail address of whoever is logged in, "local" where there is no login."""
    secrets = _secrets()
    return str(st.user.get("email") or "") if secrets and "auth" in secrets else LOCAL


def role() -> str:
    """viewer, runner or admin; "" for somebody who is not let in."""
    return _standing()[0]


def _standing() -> tuple[str, str]:
    """The role, or "" and why there is none."""
    secrets = _secrets()
    if secrets is None:
        return "", UNREADABLE
    if "auth" in secrets:
        return _by_login(secrets)
    guarded = os.environ.get("UNLEARN_BEHIND_PROXY") == "yes"
    if not guarded and (not _only_here() or any(name in st.context.headers for name in FORWARDED)):
        return "", EXPOSED
    given = os.environ.get("UNLEARN_ROLE") or ("runner" if guarded else "admin")
    return (given, "") if given in ROLES else ("", f"UNLEARN_ROLE must be one of {', '.join(ROLES)}.")


def _by_login(secrets: Mapping) -> tuple[str, str]:
    auth = secrets["auth"]
    missing = [name for name in LOGIN if not isinstance(auth, Mapping) or not auth.get(name)]
    if missing:
        return "", f"The login of this server is not complete, so nobody is let in: {missing[0]} is missing in [auth]."
    if not all(map(find_spec, NEEDED)):
        return "", NOT_INSTALLED
    if st.user.get("is_logged_in") is not True:
        return "", STRANGER
    # Without this claim the provider says nothing; some write it as text.
    if str(st.user.get("email_verified")).lower() == "false":
        return "", UNVERIFIED
    lists = secrets.get("roles")
    if not lists:
        return "", NO_ROLES
    if not _usable(lists):
        return "", BAD_ROLES
    mine = _folded(st.user.get("email"))
    for name in reversed(ROLES):
        listed = lists.get(name, [])
        if mine and (listed == "everyone" or mine in map(_folded, listed)):
            return name, ""
    return "", UNKNOWN


def _usable(lists: object) -> bool:
    if not isinstance(lists, Mapping) or set(lists) - set(ROLES):
        return False
    return all(
        (name == "viewer" and listed == "everyone")
        or (isinstance(listed, list) and all(isinstance(each, str) for each in listed))
        for name, listed in lists.items()
    )


def _folded(email: object) -> str:
    """An address as it is compared. Letters beyond ASCII are left as they are, for some of them have the small letter
    of another: the Kelvin sign becomes a k.
    """
    text = email.strip() if isinstance(email, str) else ""
    return text.lower() if text.isascii() else text


def _secrets() -> Mapping | None:
    """What the secrets say, {} where there are none; None where there are some that cannot be read."""
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError:  # there is none, or one that is not as it must be
        return None if any(Path(file).exists() for file in st.get_option("secrets.files")) else {}
    except (OSError, ValueError):
        return None


def _only_here() -> bool:
    """Whether the server listens at addresses of this machine only."""
    return all(map(_is_loopback, _listens(st.get_option("server.port"), st.get_option("server.address") or "")))


@functools.lru_cache(maxsize=8)
def _listens(port: int, said: str) -> frozenset[str]:
    """The addresses at which this process really listens: the setting can be edited under a server that runs. What the
    setting says where none is seen.
    """
    with suppress(psutil.Error, OSError):
        open_here = psutil.Process().net_connections("tcp")
        found = {c.laddr.ip for c in open_here if c.status == psutil.CONN_LISTEN and c.laddr.port == port}
        if found:
            return frozenset(found)
    return frozenset({said})


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name, a socket in a folder, nothing at all
        return False


# -- doing something ---------------------------------------------------------------------------------------------------


def may(wanted: str) -> bool:
    """Whether whoever asks has this role, or one that holds it."""
    mine = role()
    return mine in ROLES and ROLES.index(mine) >= ROLES.index(wanted)


def need(wanted: str) -> None:
    """Raises NotAllowed where whoever asks does not have this role. Stands before every change of the store."""
    if not may(wanted):
        raise NotAllowed(_why(wanted))


def _why(wanted: str) -> str:
    mine = role()
    return f"You are here as a {mine}, and {WHAT_FOR[wanted]} takes {ONE[wanted]}." if mine else barred()


def button(label: str, wanted: str = "runner", *, widget: Callable = st.button, disabled: bool = False, **how) -> bool:
    """A button for what takes a role: off for everybody else, with the reason as its help. What it does asks again."""
    if not may(wanted):
        disabled, how = True, how | {"help": _why(wanted)}
    return widget(label, disabled=disabled, **how)


def submit(store: Store, spec: Spec, expected: Expected | None = None) -> str:
    """Start the job of this spec in the name of whoever asks, and return its key. Raises NotAllowed."""
    need("runner")
    return jobs.submit(store, spec, expected, **_by())


def resume(store: Store, job: str) -> str:
    """Start a stopped job again. Raises NotAllowed, and StoreError for a key that names no job."""
    need("runner")
    return jobs.resume(store, job)


def _by() -> dict[str, str]:
    return {} if who() == LOCAL else {"by": who()}
