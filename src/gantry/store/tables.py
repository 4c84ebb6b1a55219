"""The tables: what is kept, on every engine. Two trees of them, for two databases on SQLite and one on PostgreSQL.

Law: SQL and its words live in this package only. Every row belongs to an organization. Times are integer nanoseconds
since the epoch, durations integer nanoseconds, money integer nano-dollars; NULL means unknown.

`control` is small and precious: who may call, and by which credentials. `logs` is large and prunable: what was called,
and the clerk's own place in the journals, which moves in the same transaction as the rows it stands for.
"""

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

control = MetaData(naming_convention=_NAMES)
logs = MetaData(naming_convention=_NAMES)


class Tree(Struct, frozen=True):
    """A set of tables that migrates as one, and the table that holds its revision."""

    name: str
    metadata: MetaData
    head: str
    revision: Table


def _revision_table(name: str) -> Table:
    """Return the table in which Alembic keeps the revision, as Alembic itself declares it."""
    version = Column("version_num", String(32), nullable=False)
    return Table(name, MetaData(), version, PrimaryKeyConstraint("version_num", name=f"{name}_pkc"))


CONTROL = Tree("control", control, "c0005", _revision_table("control_revision"))
LOGS = Tree("logs", logs, "l0005", _revision_table("logs_revision"))

# A sum of many 64-bit numbers that callers post: PostgreSQL would refuse the row that passes 2^63.
_Sum = BigInteger().with_variant(Numeric(38, 0), "postgresql")
_RowNumber = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER aliases SQLite's rowid


def _organization() -> Column[str]:
    return Column("organization_id", String, ForeignKey("organizations.id"), nullable=False)


organizations = Table(
    "organizations",
    control,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# One row. Its version rises in the transaction of every change that a snapshot shows.
configuration = Table(
    "configuration",
    control,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

settings = Table(
    "settings",
    control,
    _organization(),
    Column("name", String, nullable=False),
    Column("value", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("organization_id", "name"),
)

api_keys = Table(
    "api_keys",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("environment", String, nullable=False),
    Column("scopes", Integer, nullable=False),
    Column("models", Text, nullable=False),  # JSON list; [] means every model
    Column("content_policy", String, nullable=False),
    Column("strict", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("replaced_by", String),  # the key that a rotation put in this one's place
    Column("changed_in", BigInteger, nullable=False),  # the configuration version of its last change
    Index(None, "organization_id", "created_at"),
    Index(None, "changed_in"),
)

# Providers that an organization named by a base URL; the built-in ones are files of the catalogue.
custom_providers = Table(
    "custom_providers",
    control,
    _organization(),
    Column("id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("base_url", String, nullable=False),
    Column("parameters", Text, nullable=False),  # a JSON object
    Column("managed_by", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "id"),
)

credentials = Table(
    "credentials",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("provider_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("base_url", String, nullable=False),
    Column("weight", Float, nullable=False),
    Column("models", Text, nullable=False),  # JSON list; [] means every model
    Column("environment", String),  # NULL serves both
    Column("source", String),  # the environment variable that holds the secret; NULL when it is in the vault
    Column("managed_by", String),  # what declares it and applies it again at each start; NULL: a person
    Column("created_at", BigInteger, nullable=False),
    Column("home", Boolean, nullable=False, server_default=false()),  # holds what lives with an account (DESIGN §5)
    Column("excluded_models", Text, nullable=False, server_default="[]"),  # JSON list
    UniqueConstraint("organization_id", "provider_id", "name"),
    Index(
        "uq_credentials_home",
        "organization_id",
        "provider_id",
        unique=True,
        sqlite_where=text("home"),
        postgresql_where=text("home"),
    ),
)

# Sealed for one place: organization, provider, credential and field. Moved elsewhere, a value does not open.
credential_secrets = Table(
    "credential_secrets",
    control,
    Column("credential_id", String, ForeignKey("credentials.id", ondelete="CASCADE"), nullable=False),
    _organization(),
    Column("field", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("credential_id", "field"),
)

# Names of an organization's own for models. What is NULL is as it is with the base; prices are for a million tokens.
custom_models = Table(
    "custom_models",
    control,
    _organization(),
    Column("name", String, nullable=False),
    Column("base", String),
    Column("provider_id", String),
    Column("called_by_name", Boolean, nullable=False),
    Column("display_name", String, nullable=False),
    Column("input_price", BigInteger),
    Column("output_price", BigInteger),
    Column("cached_input_price", BigInteger),
    Column("cache_write_price", BigInteger),
    Column("context_window", BigInteger),
    Column("streaming", Boolean),
    Column("tools", Boolean),
    Column("vision", Boolean),
    Column("parameters", Text, nullable=False),  # a JSON object
    Column("managed_by", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "name"),
)

# Each version of an organization's routing rules; the newest holds.
routing_rules = Table(
    "routing_rules",
    control,
    _organization(),
    Column("version", BigInteger, nullable=False, autoincrement=False),
    Column("document", Text, nullable=False),  # JSON, as it was written
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("managed_by", String),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "version"),
)

# `seq` is the order of arrival, which `started_at` is not: a long call is stored after many short ones. A log's id is
# unique within its organization only, because a client may choose it. Columns that are often NULL stand last, from
# RARE_FROM on, and the most usual of them first: a row is inserted as far as it has values.
RARE_FROM = "temperature"
request_logs = Table(
    "request_logs",
    logs,
    Column("seq", _RowNumber, primary_key=True, autoincrement=True),
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
    Column("is_pinned", Boolean),
    Column("positive_feedback", Boolean),
    Column("note", Text),
    UniqueConstraint("log_id", "organization_id"),  # the id first: it grows with time, so the index grows at its end
    # The environment stands in each of them so that they count without reading rows.
    Index("ix_request_logs_newest", "organization_id", "started_at", "environment"),
    Index("ix_request_logs_key_newest", "organization_id", "key_id", "started_at", "environment"),
    Index("ix_request_logs_model_newest", "organization_id", "model", "started_at", "environment"),
    sqlite_autoincrement=True,  # a number is never used again, so a reader's mark stays good
)
Index(
    "ix_request_logs_customer_newest",
    request_logs.c.organization_id,
    request_logs.c.customer_identifier,
    request_logs.c.started_at,
    request_logs.c.environment,
    sqlite_where=request_logs.c.customer_identifier.is_not(None),
    postgresql_where=request_logs.c.customer_identifier.is_not(None),
)
# Few calls are tests; without this, finding the newest of them reads all the others.
Index(
    "ix_request_logs_test_newest",
    request_logs.c.organization_id,
    request_logs.c.started_at,
    request_logs.c.environment,
    sqlite_where=request_logs.c.environment == literal_column("'test'"),
    postgresql_where=request_logs.c.environment == literal_column("'test'"),
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
    Column("seq", _RowNumber, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
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


# What the response cache keeps, as the clerk has read it. The answers are sealed files (`gantry.board.answers`); what
# was said stands in the log of the call that an answer was first given to. Sums are what hits have saved.
cached_answers = Table(
    "cached_answers",
    logs,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("organization_id", String, nullable=False),
    Column("cache_key", String, nullable=False),
    Column("log_id", String, nullable=False),
    Column("model", String),
    Column("kept_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("saved_cost", _Sum, nullable=False),
    Column("saved_tokens", _Sum, nullable=False),
    Column("saved_time", _Sum, nullable=False),  # ns
    UniqueConstraint("organization_id", "cache_key"),
    Index(None, "cache_key"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)


def _sums_by(span: str, name: str) -> Table:
    """Return a table of sums by a span of time. Text that is unknown is '' here: NULLs do not conflict."""
    return Table(
        name,
        logs,
        Column("organization_id", String, nullable=False),
        Column(span, BigInteger, nullable=False),  # so many of them since the epoch
        Column("environment", String, nullable=False),
        Column("key_id", String, nullable=False),
        Column("model", String, nullable=False),
        Column("provider_id", String, nullable=False),
        Column("outcome", String, nullable=False),
        Column("requests", _Sum, nullable=False),
        Column("errors", _Sum, nullable=False),
        Column("input_tokens", _Sum, nullable=False),
        Column("cached_input_tokens", _Sum, nullable=False),
        Column("output_tokens", _Sum, nullable=False),
        Column("total_tokens", _Sum, nullable=False),
        Column("cost", _Sum, nullable=False),
        Column("unpriced", _Sum, nullable=False),
        Column("latency_sum", _Sum, nullable=False),
        Column("latency_count", _Sum, nullable=False),
        Column("time_to_first_token_sum", _Sum, nullable=False),
        Column("time_to_first_token_count", _Sum, nullable=False),
        Column("speed_sum", _Sum, nullable=False, server_default="0"),  # thousandths of a token per second
        Column("speed_count", _Sum, nullable=False, server_default="0"),
        Column("cache_hits", _Sum, nullable=False, server_default="0"),
        Column(
            "cached_tokens", _Sum, nullable=False, server_default="0"
        ),  # of their answers, which nobody was paid for
        Column("cache_savings", _Sum, nullable=False, server_default="0"),
        PrimaryKeyConstraint("organization_id", span, "environment", "key_id", "model", "provider_id", "outcome"),
    )


# Kept when logs are pruned. A month by the hour is a hundred thousand rows where many keys and models are in use.
rollups = _sums_by("hour", "rollups")
day_rollups = _sums_by("day", "day_rollups")
