"""A RUM plan as text: JSON for a file, packed small for an address. What is read is checked like any other value."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from unlearn_core.params import BadValue, build, canonical, plain
from unlearn_core.rum import Plan

LARGEST = 50_000  # characters of a plan; a real one has about 1,500


def to_text(plan: Plan) -> str:
    """The plan as indented JSON."""
    return json.dumps(plain(plan), indent=2)


def from_text(text: str) -> Plan:
    """The plan of a JSON text. Raises BadValue, in one sentence, for anything else."""
    if len(text) > LARGEST:
        raise BadValue("This is too long to be a plan.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also of a number of thousands of digits
        raise BadValue("This is not a plan: the text is not JSON.") from error
    plan = build(found)
    if not isinstance(plan, Plan):
        raise BadValue("This is not a plan, but something else that this program writes.")
    return plan


def from_bytes(data: bytes) -> Plan:
    """The plan of an uploaded file. Raises BadValue for anything else."""
    try:
        return from_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadValue("This is not a plan: the file is not text.") from error


def to_address(plan: Plan) -> str:
    """The plan in letters that an address may hold."""
    return base64.urlsafe_b64encode(zlib.compress(canonical(plan).encode(), 9)).decode().rstrip("=")


def from_address(text: str) -> Plan:
    """The inverse of `to_address`. Raises BadValue for anything else."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        # A few bytes can be made to unpack to gigabytes, so no more than a plan's length is unpacked.
        return from_bytes(zlib.decompressobj().decompress(data, LARGEST))
    except (binascii.Error, ValueError, zlib.error) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue("The plan in this address is damaged.") from error
