"""What a caller says about a call, so that it can be found again: customer, thread, trace, metadata.

Law: one reader for both doors, the gateway's parameters and a posted log. The aliases are Respan's: a thread and a
trace group both name the session, and the trace group wins; a log that names both is found by its thread, and keeps
the session beside it.
"""

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.fields import Fields

_SPAN_NAME_LENGTH = 255


class Labels(Struct, frozen=True, gc=False):
    """The labels of one request log; JSON-valued ones as JSON text."""

    customer_identifier: str | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    thread_identifier: str | None = None
    custom_identifier: str | None = None
    group_identifier: str | None = None
    trace_unique_id: str | None = None
    span_unique_id: str | None = None
    span_parent_id: str | None = None
    span_name: str | None = None
    metadata: str | None = None
    properties: str | None = None


NO_LABELS = Labels()


def read_labels(fields: Fields) -> Labels:
    """Take the labels out of a JSON object."""
    customer = Fields(fields.members("customer_params"), fields.problems)
    metadata = fields.json_object("metadata")
    properties = fields.json_object("properties")
    identifier = fields.identifier("customer_identifier")
    group = fields.identifier("group_identifier")
    thread = fields.identifier("thread_identifier")
    trace_group, session = fields.identifier("trace_group_identifier"), fields.identifier("session_identifier")
    session = trace_group or session
    name, email = fields.identifier("customer_name"), fields.identifier("customer_email")
    labels = Labels(
        customer_identifier=identifier or customer.identifier("customer_identifier"),
        customer_name=name or customer.identifier("name"),
        customer_email=email or customer.identifier("email"),
        thread_identifier=thread or session,
        custom_identifier=fields.identifier("custom_identifier"),
        group_identifier=group or customer.identifier("group_identifier"),
        trace_unique_id=fields.identifier("trace_unique_id"),
        span_unique_id=fields.identifier("span_unique_id"),
        span_parent_id=fields.identifier("span_parent_id"),
        span_name=fields.identifier("span_name", limit=_SPAN_NAME_LENGTH),
        metadata=metadata.decode("utf-8", "replace") if metadata else None,
        properties=properties.decode("utf-8", "replace") if properties else None,
    )
    if thread and session:
        fields.rest["session_identifier"] = Raw(msgspec.json.encode(session))
    if customer.rest:
        fields.rest["customer_params"] = Raw(msgspec.json.encode(customer.rest))
    return labels
