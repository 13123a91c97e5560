"""The journal and its projections in SQLite, behind the `Store` port.

Invariants: one writer thread; a batch is in whole or not at all; sequences are assigned in the committing
transaction, gap-free per account; committed events are announced in commit order; reads go through connections of
their own and never wait for the writer. Must not decide anything: it keeps what it is given.
"""
