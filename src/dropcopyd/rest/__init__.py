"""The REST port: JSON over HTTP/1.1 towards clients on one side, the flow's verbs and the store's pages on the other.

Job: turn a request into a parsed command or a page of records, and whatever goes wrong into problem+json.

`gate` admits a request to an account, `body` reads its bytes and strict JSON, `command` makes a submit of them. `write`
and `read` are the routes, `events` the account's stream as server-sent events; `cursor` and `times` spell their values.
`submission`, `*_bodies` and `*_schemas` are the shapes as documented, made of `shapes`, `render` makes answers of
domain records, `errors` maps codes to HTTP. `openapi` and `docs` describe it all, `app` puts it together, `protocol`
and `server` put it on a socket.

Invariants:
- Order of checks: key, rate, scope, account, idempotency key, body; a submit that the rate refuses is refused after
  its body, for a cancel and a repeated submit pass it. Nothing of a later step shows before an earlier one.
- A submit is answered after its intent is durable, and only `flow.intake` decides about it. A caller that goes away
  changes nothing: what was committed stays, and the same Idempotency-Key brings the first answer again.
- Amounts enter and leave as strings; no float exists here. Times leave as RFC 3339 with nine decimals and Z.
- Every refusal is problem+json with a documented code. An unknown exception is logged with an id, and only the id is
  answered.
- What a client can make us hold is bounded: head, body, time to read either, and bytes after an early answer.

It must not: decide about orders, keep state of accounts, retry, know SQL or protobuf, or log keys and bodies.
"""
