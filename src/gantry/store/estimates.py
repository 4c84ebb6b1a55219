"""What SQLite's planner takes for true of the indexes over request logs and the ledger: how many rows have one value.

Law: told once and not measured, so a statement has the same plan in every database, empty or full. Without it SQLite
takes ten rows for a customer's and for a model's alike, and would read all logs for `customer and status`, because an
index has both; and the entries of all calls for the few that people made. (https://www.sqlite.org/fileformat2.html#the_sqlite_stat1_table)
"""

from typing import Final

from sqlalchemy import Connection, text

_ALL: Final = 1_000_000
_SOME: Final = 100_000  # logs of a thread or a trace
_BY_PEOPLE: Final = 1000  # entries of a ledger
# By index: how many rows it has, and of those with the same organization, the same value beside it, the same moment.
_ROWS: Final = {
    "request_logs": {
        "sqlite_autoindex_request_logs_1": (_ALL, 1, 1),
        "ix_request_logs_newest": (_ALL, _ALL, 1, 1),
        "ix_request_logs_facts": (_ALL, _ALL, 1, 1),
        "ix_request_logs_test_newest": (_ALL, _ALL // 20, 1, 1),
        "ix_request_logs_key_newest": (_ALL, _ALL, _ALL // 20, 1, 1),
        "ix_request_logs_model_newest": (_ALL, _ALL, _ALL // 10, 1, 1),
        "ix_request_logs_thread_identifier": (_SOME, _SOME, 10, 1),
        "ix_request_logs_thread_identifier_newest": (_SOME, _SOME, 1, 1, 1),
        "ix_request_logs_trace_unique_id": (_SOME, _SOME, 10, 1),
        "ix_request_logs_trace_unique_id_newest": (_SOME, _SOME, 1, 1, 1),
        "ix_request_logs_customer_newest": (_ALL, _ALL, _ALL // 5000, 1, 1),
    },
    "credit_entries": {
        "credit_entries": (_ALL, _ALL, 1),
        "ix_credit_entries_organization_id_created_at_id": (_ALL, _ALL, 1, 1),
        "ix_credit_entries_granted": (_BY_PEOPLE, _BY_PEOPLE, 1, 1),
    },
}


def tell_planner(connection: Connection) -> None:
    """Write the estimates; connections that are opened afterwards know them. Nothing on PostgreSQL, which measures."""
    if connection.dialect.name != "sqlite":
        return
    connection.execute(text("ANALYZE sqlite_schema"))  # makes the table, and measures nothing
    connection.execute(text("DELETE FROM sqlite_stat1 WHERE tbl IN ('request_logs', 'credit_entries')"))
    rows = [
        {"tbl": table, "idx": name, "stat": " ".join(map(str, counts))}
        for table, indexes in _ROWS.items()
        for name, counts in indexes.items()
    ]
    connection.execute(text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:tbl, :idx, :stat)"), rows)
