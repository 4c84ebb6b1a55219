"""The data plane: one event loop per worker, callbacks instead of tasks, no database.

Law: the hot path reads the snapshot, the board and the cache, and appends to the journal (law 6). Nothing here queries,
waits on a lock, or imports `store`, `clerk` or `console`. The path of a request is told in `gantry.gateway.worker`.
"""
