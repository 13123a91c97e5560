"""The verbs, one file per leg of the journey: access, intake, dispatch, ingest, reconcile; hub, session, quota,
streams, pump.

Decide, commit, announce: a verb asks the machine, hands the batch to the store, and only what is committed is
announced, by the store's completion callback in commit order. A verb that is cancelled after its commit loses
nothing. Knows no technology: store, broker, encoder and clock are ports.
"""
