"""Gateway parameters: the fields of a request that are ours, lifted out so that no provider sees them.

Law: a credential lifted here lives in memory for one call; `Parameters.journal` never holds one. Precedence: top level
of the body, then `metadata.respan_params`, then `respan_params`, then the header (DESIGN §5). The rest of `metadata`
belongs to the caller and the provider: it is forwarded, and logged.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from gantry.core.errors import InvalidRequest
from gantry.core.routing_rules import LONGEST_CACHE_TTL, CacheRule
from gantry.core.vocabulary import Operation
from gantry.dialects.fields import IDENTIFIER_LENGTH
from gantry.dialects.secrets_out import strip_secrets
from gantry.wire.envelope import Envelope

_BY_PROVIDER: Final = "customer_credentials"
_CREDENTIALS_BY: Final = {
    _BY_PROVIDER: "providers and their credential fields",
    "credential_override": "models and their credential fields",
    "customer_api_keys": "models and their keys",
}
CREDENTIAL_FIELDS: Final = frozenset(_CREDENTIALS_BY)
_NESTED: Final = ("gantry_params", "keywordsai_params", "respan_params")  # the last one wins
_HEADERS: Final = (b"x-data-respan-params", b"x-data-keywordsai-params", b"x-gantry-params")
_IDENTITY: Final = frozenset(
    """
    customer_identifier customer_email customer_name customer_params custom_identifier group_identifier
    thread_identifier session_identifier trace_group_identifier trace_unique_id trace_name span_unique_id
    span_parent_id span_name span_path span_workflow_name span_handoffs span_tools properties evaluation_identifier
    eval_params positive_feedback disable_log request_breakdown respan_api_controls keywordsai_api_controls
    strict_parameters
    """.split()
)
_ROUTING: Final = frozenset(
    """
    fallback_models disable_fallback load_balance_group load_balance_models loadbalance_models exclude_models
    exclude_providers retry_params retries first_token_timeout model_name_map mock_response cache_enabled cache_ttl
    cache_options field_name delimiter mem0_params linkup_params hyperspell_params moda_params posthog_integration
    """.split()
)
# `prompt` is Mistral's own word in fill-in-the-middle, the others mean something to some providers; on the
# operations where they are nobody's but ours, they are lifted too.
_OURS: Final = _IDENTITY | _ROUTING | CREDENTIAL_FIELDS | frozenset(_NESTED)
_OURS_IN_CHAT: Final = _OURS | {"prompt", "models", "weight", "timeout"}
FORM_FIELDS: Final = _OURS | {"metadata"}  # no form of a provider has such a field
_CHAT: Final = Operation.CHAT
# Understood, kept in the log, and not acted on yet: the record says so instead of staying silent.
_CACHE_FIELDS: Final = frozenset(("cache_enabled", "cache_ttl", "cache_options"))
_NOT_ACTED_ON: Final = frozenset(
    "prompt mock_response field_name delimiter mem0_params linkup_params hyperspell_params moda_params".split()
)
_CACHE_OPTIONS: Final = {
    "cache_by_customer": "by_customer",
    "is_cached_by_model": "by_model",
    "omit_log": "omit_log",
    "omit_logs": "omit_log",
}


class Parameters(Struct, frozen=True):
    """What was lifted. `values` may hold credentials; `journal` is the same as JSON without them."""

    values: Mapping[str, Any]
    journal: bytes
    remove: frozenset[str]
    replace: Mapping[str, bytes]

    @property
    def ignored(self) -> list[str]:
        return sorted(name for name in self.values if name in _NOT_ACTED_ON)

    @property
    def unlogged(self) -> bool:
        """Whether none of the call's content may be kept."""
        return self.values.get("disable_log") in (True, "true")

    @property
    def strict(self) -> bool:
        """Whether the caller would rather be refused than have a parameter dropped."""
        return self.values.get("strict_parameters") in (True, "true")

    def model_named(self, model: str) -> str:
        """Return what `model_name_map` calls a model: on Azure, its deployment. Raises InvalidRequest."""
        names = self.values.get("model_name_map")
        if names is None:
            return model
        if not isinstance(names, dict) or not all(isinstance(name, str) and name for name in names.values()):
            raise InvalidRequest("`model_name_map` must be an object of model names", param="model_name_map")
        named: str = names.get(model, model)
        return named

    def cache_rule(self, rule: CacheRule) -> CacheRule:
        """Return how the response cache is used, where a rule says it for what is not said here. Raises InvalidRequest.

        To name options does not ask for the cache: `cache_enabled` does, or the rule.
        """
        said = self.values
        if _CACHE_FIELDS.isdisjoint(said):
            return rule
        options = said.get("cache_options", {})
        if not isinstance(options, dict) or not options.keys() <= _CACHE_OPTIONS.keys():
            fields = ", ".join(_CACHE_OPTIONS)
            raise InvalidRequest(
                f"`cache_options` must be an object with no other fields than {fields}", param="cache_options"
            )
        ttl = said.get("cache_ttl", rule.ttl)
        if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 < ttl <= LONGEST_CACHE_TTL:
            words = f"`cache_ttl` must be a whole number of seconds from 1 to {LONGEST_CACHE_TTL}"
            raise InvalidRequest(words, param="cache_ttl")
        chosen = {
            _CACHE_OPTIONS[name]: _read_flag(value, f"cache_options.{name}")
            for name, value in options.items()
            if value is not None
        }
        enabled = _read_flag(said.get("cache_enabled", rule.enabled), "cache_enabled")
        return structs.replace(rule, enabled=enabled, ttl=ttl, **chosen)

    @property
    def customer(self) -> str | None:
        """The end user that the call is for, as the log has it."""
        named = _identifier(self.values.get("customer_identifier"))
        if named is None:
            params = self.values.get("customer_params")
            named = _identifier(params.get("customer_identifier")) if isinstance(params, dict) else None
        return named

    def credentials(self, name: str) -> Mapping[str, Any]:
        """Return one of the fields that bring credentials. Raises InvalidRequest when it is not an object."""
        value = self.values.get(name)
        if value is None:
            return {}
        if (
            isinstance(value, list) and name == _BY_PROVIDER
        ):  # [{credentials: {provider: …}, weight: …}, …]: one map of weighted lists
            return _regroup(value, name)
        if not isinstance(value, dict):
            raise InvalidRequest(f"`{name}` must be an object of {_CREDENTIALS_BY[name]}", param=name)
        return value


NO_PARAMETERS: Final = Parameters({}, b"", frozenset(), {})
_NO_MEMBERS: Final[Mapping[str, msgspec.Raw]] = {}


def _identifier(value: Any) -> str | None:
    """Return what the record would read as an identifier (`dialects/fields.py`)."""
    is_one = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value)[:IDENTIFIER_LENGTH] or None if is_one else None


def _read_flag(value: Any, name: str) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise InvalidRequest(f"`{name}` must be true or false", param=name)


def has_parameter_header(headers: Mapping[bytes, bytes]) -> bool:
    return any(name in headers for name in _HEADERS)


def lift_parameters(envelope: Envelope | None, headers: Mapping[bytes, bytes], operation: Operation) -> Parameters:
    """Return the gateway's parameters in a request and how to splice them out. Raises InvalidRequest."""
    ours = _OURS_IN_CHAT if operation is _CHAT else _OURS
    members = _NO_MEMBERS if envelope is None else envelope.members
    if not headers and "metadata" not in members and ours.isdisjoint(members):
        return NO_PARAMETERS
    in_header = next((name for name in _HEADERS if name in headers), None) if headers else None
    metadata = envelope.get("metadata") if envelope is not None else None
    in_metadata = metadata is not None and (b"_params" in metadata or b"\\u" in metadata)
    if in_header is None and not in_metadata and ours.isdisjoint(members):
        return NO_PARAMETERS
    values: dict[str, Any] = {}
    if in_header is not None:
        values.update(_read_header(headers[in_header], in_header.decode()))
    lifted = ours.intersection(members)
    replace: dict[str, bytes] = {}
    if envelope is not None:
        for name in _NESTED:
            if name in lifted:
                values.update(_read_object(envelope.get(name) or b"", name))
        if in_metadata and metadata is not None:
            replace = _lift_from_metadata(metadata, values)
        for name in lifted - set(_NESTED):
            values[name] = _read_member(envelope.get(name) or b"null", name)
    return _parameters(values, frozenset(lifted), replace)


def lift_from_form(fields: Mapping[str, bytes], headers: Mapping[bytes, bytes]) -> Parameters:
    """Return the gateway's parameters among the fields of a form, and in the header. Raises InvalidRequest."""
    in_header = next((name for name in _HEADERS if name in headers), None)
    lifted = FORM_FIELDS.intersection(fields)
    if in_header is None and not lifted:
        return NO_PARAMETERS
    values: dict[str, Any] = {}
    if in_header is not None:
        values.update(_read_header(headers[in_header], in_header.decode()))
    for name in _NESTED:
        if name in lifted:
            values.update(_read_object(fields[name], name))
    replace: dict[str, bytes] = {}
    metadata = fields.get("metadata")
    if metadata is not None:
        _read_object(metadata, "metadata")
        replace = _lift_from_metadata(metadata, values) or {"metadata": metadata}
    for name in lifted.difference(_NESTED, ("metadata",)):
        values[name] = _read_field(fields[name])
    return _parameters(values, lifted, replace)


def _parameters(values: Mapping[str, Any], remove: frozenset[str], replace: Mapping[str, bytes]) -> Parameters:
    said = {name: value for name, value in values.items() if value is not None}
    kept = {name: value for name, value in said.items() if name not in CREDENTIAL_FIELDS}
    journal = strip_secrets(msgspec.json.encode(kept)) if kept else b""  # models to balance over bring their own
    return Parameters(said, journal, remove, replace)


def _lift_from_metadata(metadata: bytes, values: dict[str, Any]) -> dict[str, bytes]:
    """Move our members of `metadata` into `values`; return the replacement of what is left, if anything was moved."""
    try:
        members = msgspec.json.decode(metadata, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return {}  # not an object: the provider's to judge
    moved = [name for name in _NESTED if name in members]
    for name in moved:
        values.update(_read_object(bytes(members.pop(name)), f"metadata.{name}"))
    return {"metadata": msgspec.json.encode(members)} if moved else {}


def _read_header(value: bytes, name: str) -> dict[str, Any]:
    """Return the object in a parameters header: plain JSON, or base64 of it."""
    text = value.strip()
    if not text.startswith(b"{"):
        try:
            text = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidRequest(f"the header {name} must hold a JSON object, plain or in base64") from None
    return _read_object(text, f"the header {name}")


def _read_object(text: bytes, where: str) -> dict[str, Any]:
    if text == b"null":
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(f"{where} must hold a JSON object", param=where) from None


def _read_member(text: bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"`{name}` cannot be read: a number in it is too large, or it is nested too deeply", param=name
        ) from None


def _read_field(raw: bytes) -> Any:
    """Return an object or a list as such; every other field is the text it is, be it of digits."""
    if raw.lstrip().startswith((b"{", b"[")):
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            pass  # a name may begin so
    return raw.decode("utf-8", "replace")


def _regroup(entries: list[Any], name: str) -> Mapping[str, Any]:
    grouped: dict[str, list[Any]] = {}
    for entry in entries:
        credentials = entry.get("credentials") if isinstance(entry, dict) else None
        if not isinstance(credentials, dict):
            raise InvalidRequest(f"`{name}` must list objects with credentials and weight", param=name)
        for provider, fields in credentials.items():
            grouped.setdefault(provider, []).append({**entry, "credentials": fields})
    return grouped
