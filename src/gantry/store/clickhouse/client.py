"""A client of one ClickHouse database: questions, rows, statements, and what a failure of any means.

Law: what a retry can mend is `StoreUnavailable`. A refused insert is one too: rows come as every engine takes them
(`log_rows.storable`), so it is not their fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from gantry.store.clickhouse.compiler import CONTENT, Asked
from gantry.store.clickhouse.tables import COLUMNS, CREATE, KINDS, TABLE
from gantry.store.database import StoreUnavailable, TooMuchToRead

_DRIVER: Final = "clickhouse_connect.driver"  # of the extra, for those who have it
_PORTS: Final = {"http": 8123, "https": 8443}
_TOO_LONG: Final = 159  # https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_MAY_PASS: Final = frozenset((202, 209, 210, 241, 242, 243, 252, 319, 394, 999))  # of load, disks, replicas, networks
# Of questions: FINAL for every table, a partition by itself; names are those of columns, not of what is selected.
_ASKING: Final = {
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "prefer_column_name_to_alias": 1,
}
# Of rows: there when the answer comes, of as many days as they like.
_STORING: Final = {"async_insert": 0, "max_partitions_per_insert_block": 0}


class Client:
    """Raises StoreUnavailable from all it does."""

    def __init__(self, url: str) -> None:
        """Find the database, and make its table where it is not there."""
        driver = import_module(_DRIVER)
        self._errors = driver.exceptions
        parts = urlsplit(url)
        self._where = f"{parts.scheme}://{parts.hostname}"
        with self._faults(refused=True):  # a wrong password, or a version without such indexes: for who looks after it
            self._client = driver.create_client(
                interface=parts.scheme,
                host=parts.hostname,
                port=parts.port or _PORTS[parts.scheme],
                username=None if parts.username is None else unquote(parts.username),
                password=unquote(parts.password or ""),
                database=unquote(parts.path.strip("/")) or "default",
                autogenerate_session_id=False,  # in a session, one statement would wait for another
                form_encode_query_params=True,  # a list of numbers may be longer than a URL
                send_receive_timeout=600,
            )
            self._client.command(CREATE)

    def select(self, asked: Asked, patience: float | None = None) -> Sequence[Sequence[Any]]:
        settings = _ASKING if patience is None else {**_ASKING, "max_execution_time": max(patience, 0.001)}
        with self._faults():
            found = self._client.query(asked.text, asked.values, settings=settings, column_formats={CONTENT: "bytes"})
            rows: Sequence[Sequence[Any]] = found.result_rows
            return rows

    def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Store rows of COLUMNS; they are there when this returns.

        A server says how many it took, unless something between us leaves that out. The journals are deleted because
        of it, so it is held against what was sent.
        """
        if not rows:
            return
        with self._faults(refused=True):
            done = self._client.insert(TABLE, rows, column_names=COLUMNS, column_type_names=KINDS, settings=_STORING)
        taken = done.summary.get("written_rows")
        if taken is not None and int(taken) < len(rows):
            raise StoreUnavailable(
                f"{self._where} took {taken} of {len(rows)} rows. They are sent again; if this goes on, see what the "
                "server, or a proxy before it, does to large inserts."
            )

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> None:
        with self._faults():
            self._client.query(statement, dict(values or {}), settings=_STORING)

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _faults(self, *, refused: bool = False) -> Iterator[None]:
        try:
            yield
        except self._errors.ClickHouseError as error:
            code = getattr(error, "code", None)
            if code == _TOO_LONG:
                raise TooMuchToRead(f"{self._where}: the question took longer than it may") from error
            if refused or isinstance(error, self._errors.OperationalError) or code in _MAY_PASS:
                raise StoreUnavailable(f"{self._where}: {str(error).strip()}") from error
            raise
