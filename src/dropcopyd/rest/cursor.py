"""Page cursors: opaque to clients, versioned, bound to the list they were given for.

A cursor is no secret and no permission: whoever forges one reads his own list from another place.
"""

import base64
import binascii
import hashlib
import re
from typing import Final

from dropcopyd.errors import Code
from dropcopyd.rest.errors import parameter_error

NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
"""The mark of a list that goes on from a number."""
PAIR: Final = re.compile(r"[0-9]{1,19}\|[0-9]{1,18}", re.ASCII)
"""The mark of a list that goes on from a time and a number."""
BEGUN: Final = re.compile(r"[0-9]{1,19}\|[0-9a-f-]{36}", re.ASCII)
"""The mark of a list that goes on from a time and an id."""
NAME: Final = re.compile(r"[A-Z]{1,32}\|[ -~]{1,64}", re.ASCII)
"""The mark of a list that goes on from an asset class and symbol."""
ANY: Final = re.compile(r"[^\x00-\x1f]{1,255}")
"""The mark of a list that goes on from a name of the operator's."""
PLACE: Final = re.compile(r"[0-9]{1,4}\|[0-9]{1,18}\|(-1|[0-9]{1,18})", re.ASCII)
"""The mark of a search: a place, an account, a row."""
_VERSION: Final = b"\x01"
_SEAL_BYTES: Final = 6


def make_cursor(binding: str, mark: str) -> str:
    """The cursor after `mark` of the list that `binding` names."""
    data = _VERSION + _seal(binding, mark.encode()) + mark.encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_cursor(binding: str, text: str, shape: re.Pattern[str]) -> str:
    """The mark of a cursor of that list. Raises DropcopyError(INVALID_CURSOR) for a foreign or garbled one."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        mark = data[1 + _SEAL_BYTES :].decode()
    except (binascii.Error, UnicodeError) as error:
        raise parameter_error("next_cursor", "cannot be read", Code.INVALID_CURSOR) from error
    is_ours = make_cursor(binding, mark) == text
    if not is_ours or not shape.fullmatch(mark):
        raise parameter_error("next_cursor", "is not a cursor of this list", Code.INVALID_CURSOR)
    return mark


def _seal(binding: str, mark: bytes) -> bytes:
    return hashlib.sha256(binding.encode() + b"\n" + mark).digest()[:_SEAL_BYTES]
