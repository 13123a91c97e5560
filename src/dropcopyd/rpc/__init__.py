"""The gRPC port: HTTP/2 and gRPC towards clients on one side, sessions and domain errors on the other.

Job: accept connections, run calls, and put the bytes that sessions hand out on the wire with as few writes as
flow control allows.

`frames` cuts and builds HTTP/2 frames. `protocol` and `connection` are one connection, inwards and outwards: grpclib
on h2, with the limits and the ends that those lack. `requests` assembles request messages; `calls` runs one call from
its headers to its trailers. `fanout` is the hot path for responses, `plain` the slow one. `transport` opens the port.
`web` is SubscribeEvents over HTTP/1.1, for the REST port to mount. These move bytes and know nothing of accounts or
events.

Invariants:
- h2 keeps the state of streams and windows. Every byte that does not go through h2 (DATA of the hot path,
  WINDOW_UPDATE, PING, GOAWAY) leaves h2's counters as if it had; tests/rpc/test_pins.py pins what is touched.
- Everything about a connection happens in its event loop; nothing here blocks or takes a lock.
- What a peer can make us hold is bounded: a request by `request_bytes_max`, unread requests by the receive window,
  a response by one segment, the transport's buffer by `write_buffer_bytes_max` and one turn.
- The end of a stream, for whatever reason, ends its handler and frees what it held.
- A client sees a status and a text written for it; never the text of an exception.

It must not: decide who may call what (the guard does), encode or read messages, retry, or keep state of accounts.
"""
