"""Every limit of the daemon, each with its unit in its name and its default; `config` fills them."""

from dataclasses import dataclass
from typing import Final

KIB = 1024
MIB = 1024 * KIB

MAY_BE_ZERO: Final = frozenset(
    (
        *("streams_per_organization", "cancels_per_key", "exports_at_once", "exports_per_organization"),
        *("drain_s", "reconcile_s", "doubt_grace_s", "retention_s"),
        *("linger_s", "first_message_s", "end_flush_s", "flush_delay_ms"),
    )
)
"""Where none has a meaning; every other limit is above zero."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """What one HTTP/2 connection of the gRPC port may do and cost."""

    request_bytes_max: int = 64 * KIB
    """A request message above this, also after gunzip, ends its call with RESOURCE_EXHAUSTED."""
    header_list_bytes_max: int = 16 * KIB
    concurrent_streams_max: int = 16_384
    """Far above the stream quota: the quota refuses, HTTP/2 never queues."""
    listen_backlog: int = 2_048
    receive_window_bytes: int = 256 * KIB
    """Advertised per connection; requests are small."""
    ping_interval_s: float = 10.0
    """The server pings a connection that was silent for so long."""
    ping_timeout_s: float = 10.0
    """No answer for so long: the transport is aborted and its handlers end."""
    control_frames_per_s_max: int = 200
    """PING, SETTINGS, RST_STREAM, PRIORITY, empty DATA and CONTINUATION together; above it GOAWAY ENHANCE_YOUR_CALM."""
    control_frames_burst: int = 1_000
    write_buffer_bytes_max: int = 256 * KIB
    """Bytes a connection may hold unsent in its transport before streams wait."""
    unread_control_bytes_max: int = 4 * MIB
    """Headers, acknowledgements and resets that a peer leaves unread; above it, with a full buffer, it is aborted."""
    handshake_timeout_s: float = 10.0
    """For the TLS handshake."""
    linger_s: float = 0.5
    """A connection closed for its peer's fault reads on for so long, so that the GOAWAY is not lost to a TCP reset; a
    client has so long to end its side of a call whose response is over."""
    first_message_s: float = 0.1
    """What a refusal waits for the first message of a client that may be writing it."""
    end_flush_s: float = 2.0
    """What the end of a call waits for its last bytes to be taken, before they are dropped."""
    segment_bytes_max: int = 64 * KIB
    """What one stream takes from its source in one turn; the unit of fairness."""
    flush_delay_ms: float = 0.0
    """A woken connection is served after so long instead of at the end of the loop turn: fewer writes, later events."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of intake, store and streams."""

    streams_per_organization: int = 100
    subscriptions_per_stream: int = 256
    ring_events_per_account: int = 4_096
    ring_bytes_per_account: int = 4 * MIB
    ring_bytes_total: int = 256 * MIB
    replay_page_events: int = 512
    stall_s: float = 30.0
    heartbeat_s: float = 5.0
    drain_s: float = 5.0
    intents_in_flight_per_account: int = 1_000
    broker_call_s: float = 10.0
    reconcile_s: float = 60.0
    """Between two reconciliations of an account by the timer; an account may have its own. 0 = never."""
    reconcile_confirm_s: float = 2.0
    """From the snapshot that finds a difference to the one that confirms it; longer than a report is ever under way."""
    reconcile_look_s: float = 30.0
    """What the broker may take for one look, all together: its snapshot and the answers about orders that differ. Three
    of its calls: a session that begins is trusted after that, and a look has one of few places."""
    dispatch_deadline_s: float = 5.0
    doubt_grace_s: float = 1.0
    """'Not found' at the broker counts as proof only when asked twice, at least this far apart."""
    writer_queue_batches: int = 10_000
    page_cache_bytes: int = 32 * MIB
    """Of each connection to the journal: one writer, two readers."""
    retention_s: float = 3_600.0
    """Closed orders and flat positions leave the replayed state this long after their last change."""
    accounts_per_organization: int = 1_000
    """That its administrators may open; the operator is not held back."""
    keys_per_organization: int = 10_000
    """That its administrators may make: those that are good, neither revoked nor expired."""
    symbol_controls_per_organization: int = 1_000
    """Symbols that have a control of their own; once they have one they keep it."""
    page_size_max: int = 100
    exports_at_once: int = 4
    exports_per_organization: int = 2
    """Of those; fewer than all, so that one organization leaves the others a place."""
    token_lifetime_s: float = 900.0
    """Of a bearer token whose request names no lifetime."""
    token_lifetime_s_max: float = 3_600.0
    requests_per_key: int = 10_000
    """Requests that a key may send in one window, streams it opens included; they come back evenly."""
    cancels_per_key: int = 100_000
    """Further cancels in one window, once the requests are used up."""
    rate_window_s: int = 10
    request_body_bytes_max: int = 64 * KIB
    request_head_bytes_max: int = 32 * KIB
    """Request line and headers of a REST request."""
    request_read_s: float = 10.0
    """What a REST request's head may take to arrive, and again its body."""
    rest_idle_s: float = 75.0
    """A REST connection without a request for so long is closed; long, so that a submit seldom meets a closing one."""
