"""Broker adapters: each implements `ports.Broker` for one kind of counterparty and knows nothing of the others.

Invariants: a command is sent at most once and never retried; an adapter answers Unknown whenever it cannot prove what
happened; reports reach the listener in the broker's order per account. An adapter must not touch the journal.

`chaos` wraps any of them; `chance` and `waits` are what they may share.
"""
