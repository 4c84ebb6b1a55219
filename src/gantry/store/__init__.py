"""The store: the only place with SQL, over SQLite or PostgreSQL; the queries are named after what they answer.

Law: it stands on `core` alone and knows no HTTP, no journal and no provider. What changes belongs to one short
transaction, and what a retry can mend is `StoreUnavailable`. Others pass a `Connection` around and never look into it.
"""

from sqlalchemy import Connection

__all__ = ["Connection"]
