"""What a response stream is to those who feed it: where its bytes come from, and what can be asked of it."""

from typing import Protocol


class Source(Protocol):
    """Where a stream gets its bytes from."""

    @property
    def has_more(self) -> bool:
        """Whether it may have something behind the last pull. False promises that a pull gives b"" until the next wake,
        and saves that pull."""

    def pull(self, budget_bytes: int) -> bytes:
        """Take framed gRPC messages (5-byte prefix included) that are ready for the wire.

        Whole messages, about `budget_bytes` at most unless a single one is larger; b"" when there is nothing now,
        and then the stream must be woken for it to be asked again. Called in the event loop, in turn for as long
        as it gives something; never blocks, never closes its stream. The same bytes object may go to many streams.
        An exception ends the call of this stream only.
        """


class StreamGoneError(Exception):
    """The stream has ended; nothing more can be sent on it. Its handler is cancelled or already ending."""


class Response(Protocol):
    """An open response stream, whichever way its bytes travel."""

    @property
    def bytes_sent(self) -> int:
        """Bytes handed to the transport, message prefixes included, frame headers not."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes pulled and not yet handed to the transport; at most one pull."""

    @property
    def stalled_since_ns(self) -> int | None:
        """Since when (monotonic) the client has taken nothing of what waits for it; None while it takes or is idle."""

    def wake(self) -> None:
        """Say that the source has something: it is pulled at the end of this loop turn. Cheap and idempotent."""

    async def drained(self) -> None:
        """Wait until the transport has all that was pulled and the source has been asked and had nothing.

        The caller sets the deadline. Raises StreamGoneError when the stream ends first.
        """

    def close(self) -> None:
        """Forget the source and drop what is unsent, at once. Idempotent; the call's trailers may still be sent."""
