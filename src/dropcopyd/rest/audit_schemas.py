"""The shapes of the audit log."""

from dropcopyd.rest.shapes import Shape, Time, Uuid


class AuditEntry(Shape):
    """Who did what, or what was refused to whom."""

    number: int
    at: Time
    principal_id: str
    action: str
    account_id: Uuid | None
    subject: str
    detail: dict[str, str]


class AuditPage(Shape):
    """Newest first."""

    data: list[AuditEntry]
    next_cursor: str | None
