"""The tables of the log store: what was called, its sums, the ledger, customers, alerts, the clerk's own place."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

from gantry.store.metadata import PARTITIONED_BY, RowNumber, Sum, Tree, logs, revision_table

LOGS = Tree("logs", logs, "l0010", revision_table("logs_revision"))

# `seq` is the order of arrival, which `started_at` is not: a long call is stored after many short ones. A log's id is
# unique within its organization only, because a client may choose it. Columns that are often NULL stand last, from
# RARE_FROM on, and the most usual of them first: a row is inserted as far as it has values.
RARE_FROM = "temperature"
request_logs = Table(
    "request_logs",
    logs,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("log_id", String, nullable=False),
    Column("organization_id", String, nullable=False),
    Column("key_id", String),
    Column("environment", String, nullable=False),
    Column("log_method", String, nullable=False),
    Column("log_type", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("dialect", String, nullable=False),
    Column("method", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("model", String),
    Column("requested_model", String),
    Column("provider_id", String),
    Column("credential_id", String),
    Column("deployment_name", String),
    Column("tier", String),
    Column("attempts", Text),
    Column("outcome", String, nullable=False),
    Column("status_code", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("latency", BigInteger),
    Column("time_to_first_token", BigInteger),
    Column("routing_time", BigInteger),
    Column("stream", Boolean, nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("usage_estimated", Boolean, nullable=False),
    Column("usage_raw", Text),
    Column("cost", BigInteger),
    Column("cost_by_unit", Text),
    Column("price_missing", Boolean, nullable=False),
    Column("price_source", String),
    Column("price_version", String),
    Column("finish_reason", String),
    Column("response_id", String),
    Column("upstream_request_id", String),
    Column("request_bytes", BigInteger, nullable=False),
    Column("response_bytes", BigInteger, nullable=False),
    Column("content_truncated", Boolean, nullable=False),
    Column("user_agent", Text),
    Column("snapshot_version", BigInteger, nullable=False),
    Column("temperature", Float),
    Column("max_tokens", BigInteger),
    Column("cached_input_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("limit_info", Text),
    Column("charged", BigInteger),
    Column("markup_ppm", BigInteger),
    Column("customer_identifier", String),
    Column("metadata", Text),
    Column("thread_identifier", String),
    Column("custom_identifier", String),
    Column("tools", Text),  # JSON list of the names of the tools that were offered
    Column("tool_calls", Text),
    Column("cache_key", String),
    Column("cache_savings", BigInteger),
    Column("customer_name", String),
    Column("customer_email", String),
    Column("customer_cost", BigInteger),
    Column("customer_markup_ppm", BigInteger),
    Column("error_message", Text),
    Column("warnings", Text),
    Column("changes", Text),  # JSON list of the parameters changed on the way
    Column("properties", Text),
    Column("extra", Text),
    Column("group_identifier", String),
    Column("trace_unique_id", String),
    Column("span_unique_id", String),
    Column("span_parent_id", String),
    Column("span_name", String),
    Column("cache_write_tokens", BigInteger),
    Column("input_audio", BigInteger),  # a duration
    Column("characters", BigInteger),
    Column("pages", BigInteger),
    Column("annotated_pages", BigInteger),
    Column("connector_tokens", BigInteger),
    Column("connector_calls", BigInteger),
    Column("input_image_tokens", BigInteger),
    Column("output_image_tokens", BigInteger),
    Column("images", BigInteger),
    Column("searches", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("input_audio_tokens", BigInteger),
    Column("output_audio_tokens", BigInteger),
    Column("web_searches", BigInteger),
    Column("billed_tool_calls", BigInteger),
    Column("cached_audio_tokens", BigInteger),
    Column("input_video_tokens", BigInteger),
    Column("is_pinned", Boolean),
    Column("positive_feedback", Boolean),
    Column("note", Text),
    # The id first: it grows with time, so the index grows at its end. On PostgreSQL each day has an index of its own.
    UniqueConstraint("log_id", "organization_id").ddl_if(dialect="sqlite"),
    # The environment stands in each of them so that they count without reading rows.
    Index("ix_request_logs_newest", "organization_id", "started_at", "environment"),
    Index("ix_request_logs_key_newest", "organization_id", "key_id", "started_at", "environment"),
    Index("ix_request_logs_model_newest", "organization_id", "model", "started_at", "environment"),
    sqlite_autoincrement=True,  # a number is never used again, so a reader's mark stays good
    info={PARTITIONED_BY: "RANGE (seq)"},  # see `gantry.store.log_days`
)
# By it a day that is over is seen to be so.
Index(
    "ix_request_logs_pinned",
    request_logs.c.organization_id,
    sqlite_where=request_logs.c.is_pinned,
).ddl_if(dialect="postgresql")
Index(
    "ix_request_logs_customer_newest",
    request_logs.c.organization_id,
    request_logs.c.customer_identifier,
    request_logs.c.started_at,
    request_logs.c.environment,
    sqlite_where=request_logs.c.customer_identifier.is_not(None),
)
# Of threads and traces: few logs have either. By one of them its logs are found, by the other the newest of all.
for _name in ("thread_identifier", "trace_unique_id"):
    _belongs = request_logs.c[_name].is_not(None)
    Index(
        f"ix_request_logs_{_name}",
        request_logs.c.organization_id,
        request_logs.c[_name],
        request_logs.c.started_at,
        sqlite_where=_belongs,
    )
    Index(
        f"ix_request_logs_{_name}_newest",
        request_logs.c.organization_id,
        request_logs.c.started_at,
        request_logs.c[_name],
        request_logs.c.environment,
        sqlite_where=_belongs,
    )
# Few calls are tests; without this, finding the newest of them reads all the others.
Index(
    "ix_request_logs_test_newest",
    request_logs.c.organization_id,
    request_logs.c.started_at,
    request_logs.c.environment,
    sqlite_where=request_logs.c.environment == literal_column("'test'"),
)

# What a filter that no other index serves, a sort or a sum looks at: by it they read a third of the bytes, and no row.
# Not on PostgreSQL, which bounds the bytes of an entry and reads rows in parallel.
Index(
    "ix_request_logs_facts",
    *(
        request_logs.c[name]
        for name in """
        organization_id started_at environment ended_at outcome status_code latency time_to_first_token routing_time
        stream input_tokens output_tokens total_tokens cost price_missing model provider_id finish_reason
        temperature max_tokens cached_input_tokens reasoning_tokens customer_identifier metadata thread_identifier
        custom_identifier tool_calls error_message group_identifier trace_unique_id span_unique_id span_parent_id
        span_name is_pinned positive_feedback
        """.split()
    ),
).ddl_if(dialect="sqlite")

# What was said, packed by `gantry.store.content`: apart from the rows, so that scanning rows reads no bodies. By the
# row's number, so that those of a page lie together and need no index.
request_log_bodies = Table(
    "request_log_bodies",
    logs,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    info={PARTITIONED_BY: "RANGE (seq)"},
)

# The ids of logs whose rows are in ClickHouse: who takes one counts it. The day (UTC) is that on which the call began.
log_ids = Table(
    "log_ids",
    logs,
    Column("log_id", String, nullable=False),
    Column("organization_id", String, nullable=False),
    Column("day", BigInteger, nullable=False),
    PrimaryKeyConstraint("log_id", "organization_id"),
    Index(None, "day"),
    sqlite_with_rowid=False,
)

# Results of batches whose units were counted, and by which log; see `gantry.store.counted_once`.
counted_results = Table(
    "counted_results",
    logs,
    Column("organization_id", String, nullable=False),
    Column("response_id", String, nullable=False),
    Column("log_id", String, nullable=False),
    PrimaryKeyConstraint("organization_id", "response_id"),
)

# Calls whose close frame has not been read yet. They live here so that a long stream pins no journal segment.
open_calls = Table(
    "open_calls",
    logs,
    Column("log_id", String, primary_key=True),
    Column("incarnation", String, nullable=False, index=True),
    Column("payload", LargeBinary, nullable=False),
)

open_parts = Table(
    "open_parts",
    logs,
    Column("log_id", String, nullable=False),
    Column("incarnation", String, nullable=False, index=True),
    Column("seq", BigInteger, nullable=False),  # the place in the journal: segment << 32 | offset
    Column("direction", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log_id", "seq", "direction"),
)

journal_checkpoints = Table(
    "journal_checkpoints",
    logs,
    Column("incarnation", String, primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)

# Whoever does something with each log that is stored, and the number of the last it has done with. One holds it at a
# time; see `gantry.store.followers`.
followers = Table(
    "followers",
    logs,
    Column("name", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("holder", String, nullable=False),
    Column("held_until", BigInteger, nullable=False),
)

# What the response cache keeps, as the clerk has read it. The answers are sealed files (`gantry.board.answers`); what
# was said stands in the log of the call that an answer was first given to. Sums are what hits have saved.
cached_answers = Table(
    "cached_answers",
    logs,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("organization_id", String, nullable=False),
    Column("cache_key", String, nullable=False),
    Column("log_id", String, nullable=False),
    Column("model", String),
    Column("kept_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("saved_cost", Sum, nullable=False),
    Column("saved_tokens", Sum, nullable=False),
    Column("saved_time", Sum, nullable=False),  # ns
    UniqueConstraint("organization_id", "cache_key"),
    Index(None, "cache_key"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)


# The ledger: nothing in it ever changes, and an organization's balance is the sum of its entries. Beside the logs, for
# what a call is charged is entered in the transaction that stores its row: once for each log, whose id is the entry's.
credit_entries = Table(
    "credit_entries",
    logs,
    Column("organization_id", String, nullable=False),
    Column("id", String, nullable=False),
    Column("kind", String, nullable=False),  # an EntryKind of `gantry.core.credits`
    Column("amount", BigInteger, nullable=False),  # nano-dollars, negative where credits go
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("description", Text, nullable=False),
    Column("log_id", String),
    Column("reference", String),  # whoever enters the same twice enters it once
    Column("author", String, nullable=False),
    Column("metadata", Text),  # a JSON object
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "created_at", "id"),
    sqlite_with_rowid=False,
)
Index(
    "uq_credit_entries_reference",
    credit_entries.c.organization_id,
    credit_entries.c.reference,
    unique=True,
    sqlite_where=credit_entries.c.reference.is_not(None),
)
# Few entries are not of calls: what was granted is read without the others.
NOT_OF_CALLS = text("kind NOT IN ('usage', 'repricing')")
Index(
    "ix_credit_entries_granted",
    credit_entries.c.organization_id,
    credit_entries.c.created_at,
    credit_entries.c.amount,
    sqlite_where=NOT_OF_CALLS,
)

# What the board is still to be told: by how much records differ from what was counted. Noted in the transaction of the
# rows for one machine's board, and gone when it is applied; see `gantry.clerk.correct`.
board_differences = Table(
    "board_differences",
    logs,
    Column("board", String, nullable=False),
    Column("number", BigInteger, nullable=False, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("board", "number"),
)

# The callers' own customers, as traffic has shown them. Sums are of all their calls; kept when logs are pruned.
customers = Table(
    "customers",
    logs,
    Column("organization_id", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("customer_identifier", String, nullable=False),
    Column("name", String),
    Column("email", String),
    Column("group_identifier", String),
    Column("metadata", Text),  # a JSON object
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("active_days", BigInteger, nullable=False),
    Column("requests", Sum, nullable=False),
    Column("errors", Sum, nullable=False),
    Column("input_tokens", Sum, nullable=False),
    Column("output_tokens", Sum, nullable=False),
    Column("total_tokens", Sum, nullable=False),
    Column("cost", Sum, nullable=False),
    Column("customer_cost", Sum, nullable=False),  # with its markup
    Column("latency_sum", Sum, nullable=False),
    Column("latency_count", Sum, nullable=False),
    Column("time_to_first_token_sum", Sum, nullable=False),
    Column("time_to_first_token_count", Sum, nullable=False),
    Column("period_budget", BigInteger),
    Column("budget_duration", String),
    Column("total_budget", BigInteger),
    Column("rate_limit", BigInteger),
    Column("markup_ppm", BigInteger, nullable=False, server_default="0"),
    Column("period_start", BigInteger),
    Column("period_end", BigInteger),
    Column("managed", Boolean, nullable=False, server_default=false()),  # people have set what it may spend
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "environment", "customer_identifier"),
    Index(None, "organization_id", "first_seen"),  # which never changes: an index of sums would cost each call a page
    sqlite_with_rowid=False,
)
# Those whose calls cost them something else than they cost, or whose terms people have set: mostly none.
HAS_MARKS = text("(markup_ppm <> 0 OR managed)")
Index(
    "ix_customers_marks",
    customers.c.organization_id,
    customers.c.environment,
    customers.c.customer_identifier,
    sqlite_where=HAS_MARKS,
)

# What customers spent by day: so their budgets' counters can be made again, and a dashboard breaks down by them.
customer_days = Table(
    "customer_days",
    logs,
    Column("organization_id", String, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("environment", String, nullable=False),
    Column("customer_identifier", String, nullable=False),
    Column("requests", Sum, nullable=False),
    Column("errors", Sum, nullable=False),
    Column("input_tokens", Sum, nullable=False),
    Column("output_tokens", Sum, nullable=False),
    Column("total_tokens", Sum, nullable=False),
    Column("cost", Sum, nullable=False),
    Column("customer_cost", Sum, nullable=False),
    Column("unpriced", Sum, nullable=False),
    Column("latency_sum", Sum, nullable=False),
    Column("latency_count", Sum, nullable=False),
    PrimaryKeyConstraint("organization_id", "day", "environment", "customer_identifier"),
    sqlite_with_rowid=False,
)

# What was erased for a customer, and by whom: kept when nothing else of it is. The identifier is not, but its digest.
erasures = Table(
    "erasures",
    logs,
    Column("id", String, primary_key=True),
    Column("organization_id", String, nullable=False),
    Column("subject_digest", String, nullable=False),
    Column("environment", String),  # NULL: of both
    Column("counts", Text, nullable=False),  # a JSON object: what was erased, and how many of it
    Column("oldest_at", BigInteger),  # of the logs
    Column("newest_at", BigInteger),
    Column("author", Text, nullable=False),
    Column("erased_at", BigInteger, nullable=False),
    Index(None, "organization_id", "erased_at"),
)

# What somebody wants to know, once for each event and what it is about.
alerts = Table(
    "alerts",
    logs,
    Column("id", String, primary_key=True),
    Column("organization_id", String, nullable=False),
    Column("environment", String),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),  # two of the same are one
    Column("message", Text, nullable=False),
    Column("payload", Text, nullable=False),  # a JSON object
    Column("raised_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "event", "subject"),
    Index(None, "organization_id", "raised_at"),
)

# What is on its way to a channel, and what could not be delivered (`dead`).
deliveries = Table(
    "deliveries",
    logs,
    Column("id", String, primary_key=True),
    Column("organization_id", String, nullable=False),
    Column("channel_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String, nullable=False),  # pending, delivered, dead
    Column("attempts", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("last_error", Text),
    Index(None, "state", "channel_id", "next_at"),
    Index(None, "organization_id", "created_at"),
)


SPANS = ("minute", "hour", "day")
_CALLED = ("environment", "key_id", "model", "provider_id", "credential_id")


def _buckets_of(span: str) -> list[Column[Any]]:
    """Return what sums go by. Text that is unknown is '' here: NULLs do not conflict."""
    return [
        Column("organization_id", String, nullable=False),
        Column(span, BigInteger, nullable=False),  # so many of them since the epoch
        *(Column(name, String, nullable=False) for name in _CALLED),
    ]


def _sums_by(span: str) -> Table:
    """Return a table of sums by a span of time."""
    return Table(
        f"{span}_sums",
        logs,
        *_buckets_of(span),
        Column("outcome", String, nullable=False),
        Column("status_code", BigInteger, nullable=False),
        Column("requests", Sum, nullable=False),
        Column("errors", Sum, nullable=False),
        Column("input_tokens", Sum, nullable=False),
        Column("cached_input_tokens", Sum, nullable=False),
        Column("cache_write_tokens", Sum, nullable=False),
        Column("output_tokens", Sum, nullable=False),
        Column("reasoning_tokens", Sum, nullable=False),
        Column("total_tokens", Sum, nullable=False),
        Column("cost", Sum, nullable=False),
        Column("charged", Sum, nullable=False),
        Column("unpriced", Sum, nullable=False),
        Column("latency_sum", Sum, nullable=False),
        Column("latency_count", Sum, nullable=False),
        Column("time_to_first_token_sum", Sum, nullable=False),
        Column("time_to_first_token_count", Sum, nullable=False),
        Column("speed_sum", Sum, nullable=False),  # thousandths of a token per second
        Column("speed_count", Sum, nullable=False),
        Column("cache_hits", Sum, nullable=False),
        Column("cached_tokens", Sum, nullable=False),  # of their answers, which nobody was paid for
        Column("cache_savings", Sum, nullable=False),
        PrimaryKeyConstraint("organization_id", span, *_CALLED, "outcome", "status_code"),
        sqlite_with_rowid=False,  # the key is most of a row: one tree holds it, and a time range lies together
    )


def _sketches_by(span: str) -> Table:
    """Return a table of distributions by a span of time, see `gantry.core.sketch`; NULL where there was no value."""
    return Table(
        f"{span}_sketches",
        logs,
        *_buckets_of(span),
        Column("latency", LargeBinary),  # of ns
        Column("time_to_first_token", LargeBinary),
        Column("speed", LargeBinary),  # of thousandths of a token per second
        PrimaryKeyConstraint("organization_id", span, *_CALLED),
        sqlite_with_rowid=False,
    )


# Kept when logs are pruned, but those by the minute, which are as many as the logs where calls are few. A month by the
# hour is a hundred thousand rows where many keys and models are in use.
minute_sums, hour_sums, day_sums = map(_sums_by, SPANS)
hour_sketches, day_sketches = map(_sketches_by, SPANS[1:])
