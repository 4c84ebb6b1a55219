"""What a request says of its own routing, read from its parameters.

Law: what cannot be acted on is a 400 that names the parameter; nothing is guessed. Where Respan's pages contradict each
other, a group wins over `model`, for it was asked for.
"""

from collections.abc import Mapping
from typing import Any, Final

from gantry.core.errors import InvalidRequest
from gantry.core.routing_rules import MOST_FALLBACKS, MOST_MEMBERS, MOST_RETRIES
from gantry.gateway.params import NO_PARAMETERS, Parameters
from gantry.routing.itinerary import LONGEST_PAUSE
from gantry.routing.plan import NO_RETRIES, NO_TERMS, Retries, Terms, WeightedModel

_GROUP: Final = ("load_balance_models", "loadbalance_models")  # the first wins
_ROUTING: Final = frozenset(
    """
    fallback_models models disable_fallback load_balance_group load_balance_models loadbalance_models exclude_models
    exclude_providers retry_params retries credential_override customer_credentials customer_api_keys
    first_token_timeout timeout
    """.split()
)
_RETRY_FIELDS: Final = frozenset(("retry_enabled", "num_retries", "retry_after"))
_LONGEST_WAIT: Final = 3600.0
_HEAVIEST: Final = 1_000_000
_MOST_NAMES: Final = 100  # each may be a pattern, and making one ready takes a tenth of a millisecond
_LONGEST_NAME: Final = 256


def has_terms(parameters: Parameters) -> bool:
    """Say whether a request says anything of its routing."""
    return parameters is not NO_PARAMETERS and not _ROUTING.isdisjoint(parameters.values)


def names_models(parameters: Parameters) -> bool:
    """Say whether a request without a model says in another way what it asks."""
    values = parameters.values
    return bool(values.get("models")) or any(values.get(name) is not None for name in ("load_balance_group", *_GROUP))


def read_terms(parameters: Parameters, model: str | None) -> Terms:
    """Return what a request that names a model, or none, says of its routing. Raises InvalidRequest."""
    values = parameters.values
    if not has_terms(parameters):
        return NO_TERMS
    fallbacks, models = _names(values, "fallback_models"), _names(values, "models")
    group_id, members = _read_group(values)
    candidates: tuple[str, ...] = ()
    if model is None and group_id is None and not members:
        candidates = models or ()
    elif models is not None:  # beside a model they mean what is taken instead of it
        fallbacks = (*(fallbacks or ()), *models)
    if len(fallbacks or ()) > MOST_FALLBACKS or len(candidates) > MOST_FALLBACKS:
        raise InvalidRequest(f"at most {MOST_FALLBACKS} fallback models are tried", param="fallback_models")
    return Terms(
        group_id=group_id,
        members=members,
        fallbacks=fallbacks,
        models=candidates,
        follows=values.get("disable_fallback") not in (True, "true"),
        retries=_read_retries(values),
        excluded_models=_names(values, "exclude_models") or (),
        excluded_providers=_names(values, "exclude_providers") or (),
        override=parameters.credentials("credential_override"),
        customer=parameters.credentials("customer_credentials"),
        keys=parameters.credentials("customer_api_keys"),
    )


def timeouts(parameters: Parameters) -> tuple[float | None, float | None]:
    """Return the seconds that a caller would wait for an attempt's first token, and for all. Raises InvalidRequest."""
    if parameters is NO_PARAMETERS:
        return None, None
    return _seconds(parameters.values, "first_token_timeout"), _seconds(parameters.values, "timeout")


def _seconds(values: Mapping[str, Any], field: str) -> float | None:
    value = values.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_WAIT:
        raise InvalidRequest(f"`{field}` must be a number of seconds up to {_LONGEST_WAIT:g}", param=field)
    return float(value)


def _names(values: Mapping[str, Any], field: str) -> tuple[str, ...] | None:
    value = values.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise InvalidRequest(f"`{field}` must be a list of names", param=field)
    if len(value) > _MOST_NAMES or any(len(name) > _LONGEST_NAME for name in value):
        words = f"`{field}` may have {_MOST_NAMES} names of up to {_LONGEST_NAME} characters"
        raise InvalidRequest(words, param=field)
    return tuple(value)


def _read_group(values: Mapping[str, Any]) -> tuple[str | None, tuple[WeightedModel, ...]]:
    group = values.get("load_balance_group")
    for field in _GROUP:
        if values.get(field) is not None:
            return None, _read_members(values[field], field)
    if group is None:
        return None, ()
    if isinstance(group, str):
        return group, ()
    if not isinstance(group, dict) or not group.keys() <= {"group_id", "models"}:
        words = "`load_balance_group` must be an object with a group_id, or models, and nothing else"
        raise InvalidRequest(words, param="load_balance_group")
    group_id = group.get("group_id")
    if group_id is not None and not isinstance(group_id, str):
        raise InvalidRequest("`load_balance_group.group_id` must be text", param="load_balance_group.group_id")
    members = group.get("models")
    if members is not None:
        return group_id, _read_members(members, "load_balance_group.models")
    if not group_id:
        raise InvalidRequest("`load_balance_group` needs a group_id or models", param="load_balance_group")
    return group_id, ()


def _read_members(value: Any, field: str) -> tuple[WeightedModel, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_MEMBERS:
        raise InvalidRequest(f"`{field}` must be a list of 1 to {MOST_MEMBERS} models with weights", param=field)
    members = []
    for item in value:
        model = item.get("model") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(model, str) or not model:
            raise InvalidRequest(f"each of `{field}` must be an object with a model", param=field)
        if len(model) > _LONGEST_NAME:
            raise InvalidRequest(f"a model of `{field}` is longer than {_LONGEST_NAME} characters", param=field)
        weight, credentials = item.get("weight", 1), item.get("credentials")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise InvalidRequest("Weight has to be greater than 0", param=f"{field}.weight")
        if weight > _HEAVIEST:
            raise InvalidRequest(f"Weight has to be at most {_HEAVIEST}", param=f"{field}.weight")
        if credentials is not None and not isinstance(credentials, dict):
            raise InvalidRequest(f"`{field}.credentials` must be an object", param=f"{field}.credentials")
        members.append(WeightedModel(model, float(weight), callers=credentials or None))
    return tuple(members)


def _read_retries(values: Mapping[str, Any]) -> Retries | None:
    value = values.get("retry_params")
    if value is None:
        count = values.get("retries")
        if count is None:
            return None
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_RETRIES:
            raise InvalidRequest(f"`retries` must be a whole number up to {MOST_RETRIES}", param="retries")
        return Retries(count)
    if not isinstance(value, dict) or not value.keys() <= _RETRY_FIELDS:
        fields = ", ".join(sorted(_RETRY_FIELDS))
        words = f"`retry_params` must be an object with no other fields than {fields}"
        raise InvalidRequest(words, param="retry_params")
    count, pause = value.get("num_retries", 3), value.get("retry_after", 0.2)
    if not isinstance(value.get("retry_enabled", True), bool):
        raise InvalidRequest("`retry_params.retry_enabled` must be true or false", param="retry_params")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MOST_RETRIES:
        words = f"`retry_params.num_retries` must be a whole number from 1 to {MOST_RETRIES}"
        raise InvalidRequest(words, param="retry_params")
    if isinstance(pause, bool) or not isinstance(pause, int | float) or not 0 < pause <= LONGEST_PAUSE:
        words = f"`retry_params.retry_after` must be a number of seconds up to {LONGEST_PAUSE:g}"
        raise InvalidRequest(words, param="retry_params")
    return Retries(count, float(pause)) if value.get("retry_enabled", True) else NO_RETRIES
