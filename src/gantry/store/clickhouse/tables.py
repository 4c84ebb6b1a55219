"""The table of logs in ClickHouse: a log with what was said in it and its words in one row, which may have versions.

Law: of the rows of one key, the newest version counts, and all are asked with FINAL. So a row that is sent again after
a crash is there once, and a change is one more row. The key is what of a log never changes. Partitions are the days
(UTC) on which calls began: one that is over is dropped.

A part is on the disk before an insert is answered, as a commit is elsewhere: the journals are deleted because of it.
"""

from typing import Final

from sqlalchemy import Boolean, Float, LargeBinary
from sqlalchemy.types import TypeEngine

from gantry.store.clickhouse.compiler import CONTENT, WORDS
from gantry.store.log_tables import request_logs

TABLE: Final = request_logs.name
VERSION: Final = "version"
LOG_COLUMNS: Final = tuple(request_logs.c.keys())
COLUMNS: Final = (*LOG_COLUMNS, CONTENT, *WORDS.values(), VERSION)
_FEW_VALUES: Final = frozenset(
    """
    key_id environment log_method log_type operation dialect method path model requested_model provider_id credential_id
    deployment_name tier outcome price_source price_version finish_reason user_agent
    """.split()
)


def _kind_of(kind: TypeEngine[object]) -> str:
    if isinstance(kind, LargeBinary):
        return "String"
    if isinstance(kind, Boolean):
        return "Bool"
    if isinstance(kind, Float):
        return "Float64"
    return "Int64" if kind.python_type is int else "String"


def _column_kind(name: str) -> str:
    column = request_logs.c[name]
    kind = _kind_of(column.type)
    known = kind if not column.nullable else f"Nullable({kind})"
    return f"LowCardinality({known})" if name in _FEW_VALUES else known


KINDS: Final = (
    *map(_column_kind, LOG_COLUMNS),
    "Nullable(String)",
    *("String" for _ in WORDS),
    "Int64",
)

# A page shows all columns of some rows that may lie far apart: from a file for each of a hundred columns that took
# 440 ms with a million logs, from one file for all 140. Sums and filters take as long as before.
_ROWS_OF_A_GRANULE: Final = 512
_LARGEST_IN_ONE_FILE: Final = 1 << 30  # bytes of a part
_MANY: Final = 1_000_000_000
_INDEXES: Final = (
    "INDEX ix_log_id log_id TYPE bloom_filter(0.001) GRANULARITY 1",
    "INDEX ix_seq seq TYPE minmax GRANULARITY 1",
    "INDEX ix_thread thread_identifier TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX ix_trace trace_unique_id TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX ix_customer customer_identifier TYPE bloom_filter(0.01) GRANULARITY 1",
    *(f"INDEX ix_{name} {name} TYPE text(tokenizer = splitByNonAlpha)" for name in WORDS.values()),
)
CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} ("
    + ", ".join((*(f"{name} {kind}" for name, kind in zip(COLUMNS, KINDS, strict=True)), *_INDEXES))
    + f") ENGINE = ReplacingMergeTree({VERSION}) "
    "PARTITION BY toYYYYMMDD(fromUnixTimestamp64Nano(started_at, 'UTC')) "
    "ORDER BY (organization_id, started_at, log_id) "
    "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, "
    f"index_granularity = {_ROWS_OF_A_GRANULE}, min_bytes_for_wide_part = {_LARGEST_IN_ONE_FILE}, "
    f"min_rows_for_wide_part = {_MANY}"
)
