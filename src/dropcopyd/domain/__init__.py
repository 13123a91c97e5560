"""Order truth, pure: no clock, no ids, no I/O, nothing but the standard library.

Invariants: every price, quantity and cost is an exact `Decimal` and meets another one only through `money`; times
are integer nanoseconds UTC; every record is frozen, a change is a new record. `machine` turns (state, input) into a
`Batch`: everything that one decision changes. Nothing here may guess: what the broker did not say stays absent.
"""
