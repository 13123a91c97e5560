"""Versions: a change is made on what its caller has read."""

from dropcopyd.errors import Code, DropcopyError


def require_version(current: int, version: int | None) -> None:
    """Whether a change is made on what is there. Raises DropcopyError: VERSION_REQUIRED, VERSION_CONFLICT."""
    if version is None:
        raise DropcopyError(
            Code.VERSION_REQUIRED, f"this change needs the header If-Match with the version, now {current}"
        )
    if version != current:
        raise DropcopyError(
            Code.VERSION_CONFLICT,
            f"the control has version {current}, not {version}; read it again",
            version=current,
        )
