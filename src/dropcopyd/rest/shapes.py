"""What the shapes of answers and bodies are made of, and those that belong to no resource.

Shapes describe; `render` writes answers by hand, for speed. A test proves every answer to be one of them.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

_UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

Uuid = Annotated[str, Field(pattern=f"^{_UUID}$", json_schema_extra={"format": "uuid"})]

Amount = Annotated[
    str, Field(pattern=r"^-?[0-9]+(\.[0-9]{1,18})?$", description="An exact decimal, never a JSON number.")
]

Time = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$",
        description="RFC 3339, UTC, nine decimals.",
        json_schema_extra={"format": "date-time"},
    ),
]


class Shape(BaseModel):
    """A JSON object with exactly its documented members."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Health(Shape):
    """Whether the process answers, or is ready."""

    status: Literal["ok", "ready"]


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; further members are facts of the code (see docs/errors.md)."""

    model_config = ConfigDict(strict=True, extra="allow")

    type: str = Field(description="urn:dropcopy:error: and the code")
    title: str
    status: int
    detail: str
    code: str
    pointer: str | None = Field(None, description="JSON pointer of the body's member at fault.")
    parameter: str | None = Field(None, description="The path or query parameter at fault.")
