"""One stream as a set of cursors: attach, replay and live in one order, for every kind of edge.

`requests`: what a client asks, checked. `delivery`: the tracks (one cursor per account) and what goes out, pulled by
the edge when it can write. `attach`: how a scope begins. `session`: the whole, as the edges see it.

Invariants. A session queues only its own messages and replayed state, bounded by back-pressure; journal events stay in
the rings and the store. Attach (contract.md section 4): listen first, read the state at one head H, deliver what the
scopes in force still owe up to H, confirm, replay, then go on live from H: nothing can fall between. A track's cursor
never goes back. Requests are handled one at a time, under one lock; `pull` and `note` never wait.
"""

from dropcopyd.flow.session.requests import CursorRequest, SubscribeRequest
from dropcopyd.flow.session.session import Session

__all__ = ["CursorRequest", "Session", "SubscribeRequest"]
