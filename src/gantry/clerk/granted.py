"""What organizations were granted, as the publisher reads it: from the ledger, which lies beside the logs.

Law: looking makes nothing. A home without logs has granted nothing, nor has one whose logs are older than the ledger.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gantry.store.credits import granted_by_organization
from gantry.store.database import Database, StoreUnavailable
from gantry.store.log_tables import LOGS
from gantry.store.schema import stored_revision

_BEFORE_LEDGER: Final = "l0005"


class GrantedCredits:
    """The ledger of one database, opened when it is there."""

    def __init__(self, address: str | Path) -> None:
        self._address = address
        self._database: Database | None = None

    def __call__(self) -> Mapping[str, int]:
        """Return what each organization was granted. Raises StoreUnavailable."""
        if self._database is None:
            if isinstance(self._address, Path) and not self._address.exists():
                return {}
            self._database = Database(self._address)
        with self._database.reading() as connection:
            revision = stored_revision(connection, LOGS)
            if revision is None or revision <= _BEFORE_LEDGER:
                return {}
            if revision != LOGS.head:
                raise StoreUnavailable(
                    f"the logs have revision {revision}, and this version of Gantry reads {LOGS.head}"
                )
            return granted_by_organization(connection)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
