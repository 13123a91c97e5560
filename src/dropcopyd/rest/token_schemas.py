"""The shape of a bearer token."""

from typing import Literal

from dropcopyd.domain.account import Scope
from dropcopyd.rest.shapes import Shape, Time, Uuid


class Token(Shape):
    """A bearer token and what it is good for; `account_ids` null = every account."""

    token: str
    token_type: Literal["Bearer"]
    expires_at: Time
    scopes: list[Scope]
    account_ids: list[Uuid] | None
