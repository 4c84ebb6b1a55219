"""The tables of the control store: who may call, by which credentials, where calls go, and for how much."""

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
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from gantry.store.metadata import RowNumber, Tree, control, revision_table

CONTROL = Tree("control", control, "c0007", revision_table("control_revision"))


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
    Column("surfaces", Text, nullable=False, server_default="[]"),  # JSON list; [] means every surface
    Column(
        "temporary", Boolean, nullable=False, server_default=false()
    ),  # made by the keys API, not shown beside others
    Column("created_by", String),  # the key that made it, whose rights it cannot exceed
    Column("bound_by", Text, nullable=False, server_default="[]"),  # JSON list of keys whose limits its calls count on
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
    Column("platform", Boolean, nullable=False, server_default=false()),  # serves every organization, for credits
    UniqueConstraint("organization_id", "provider_id", "name"),
    Index(
        "uq_credentials_home",
        "organization_id",
        "provider_id",
        unique=True,
        sqlite_where=text("home"),
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

# Amounts are nano-dollars or counts, by the unit; see `gantry.core.limits`.
limits = Table(
    "limits",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("period", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("action", String, nullable=False),
    Column("environment", String),  # NULL counts both together
    Column("alerts", Text, nullable=False, server_default="[]"),  # JSON list of percentages
    Column("managed_by", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "organization_id", "created_at"),
)

# Where an organization wants to hear of things. What opens the target (a webhook's secret) is sealed for its place.
alert_channels = Table(
    "alert_channels",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("target", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("events", Text, nullable=False),  # JSON list; [] means every event
    Column("environment", String),
    Column("enabled", Boolean, nullable=False),
    Column("managed_by", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "name"),
)

# Who signs in to the console. A person may belong to several organizations, with a role in each.
people = Table(
    "people",
    control,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),  # as it is compared: in lower case
    Column("name", String, nullable=False),
    Column("password", Text),  # an argon2id hash; NULL where only an identity provider knows the person
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger),
    Column("disabled_at", BigInteger),
)

# By what an identity provider knows a person: never by the address, which it may give to another.
identities = Table(
    "identities",
    control,
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("person_id", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
)

memberships = Table(
    "memberships",
    control,
    _organization(),
    Column("person_id", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "person_id"),
    Index(None, "person_id"),
)

# Only a session's digest is kept, as of an API key.
sessions = Table(
    "sessions",
    control,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # by which it is shown and ended
    _organization(),
    Column("person_id", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("address", String, nullable=False),
    Column("user_agent", Text, nullable=False),
    Index(None, "person_id"),
    Index(None, "expires_at"),
)

invitations = Table(
    "invitations",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("email", String, nullable=False),
    Column("role", String, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("invited_by", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger),
    Index(None, "organization_id", "created_at"),
)

# What failed lately, by address and by name: who fails often waits. No organization's, for nobody is known yet.
failed_sign_ins = Table(
    "failed_sign_ins",
    control,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("subject", String, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Index(None, "subject", "failed_at"),
    Index(None, "failed_at"),
)

# Who changed what. Nothing in it changes: each entry's digest is over itself and the one before, see
# `gantry.store.audit_log`.
audit_entries = Table(
    "audit_entries",
    control,
    Column("organization_id", String, ForeignKey("organizations.id"), nullable=False),
    Column("number", BigInteger, nullable=False, autoincrement=False),  # of the organization's, from 1 on
    Column("at", BigInteger, nullable=False),
    Column("actor", String, nullable=False),  # an Actor of `gantry.core.audit_entry`
    Column("actor_id", String, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # a JSON object
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization_id", "number"),
)

# Ways of looking at a list that somebody gave a name: what the page's address says.
saved_views = Table(
    "saved_views",
    control,
    Column("id", String, primary_key=True),
    _organization(),
    Column("page", String, nullable=False),
    Column("name", String, nullable=False),
    Column("query", Text, nullable=False),  # a JSON object
    Column("shared", Boolean, nullable=False),  # with the organization
    Column("author", String, nullable=False),  # a person's or an API key's id
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "organization_id", "page"),
)
