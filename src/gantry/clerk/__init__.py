"""The clerk, one process per machine: journal up into the store, configuration down into the snapshot.

Law: it may be late but loses nothing. A frame leaves the journal only once its row is synced, and a fault of the store,
of one record or of one object of the configuration holds up nothing else. No call ever waits for it.
"""
