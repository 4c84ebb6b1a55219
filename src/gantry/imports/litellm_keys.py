"""LiteLLM's virtual keys as keys and limits to be made: its table `LiteLLM_VerificationToken`, as CSV or JSON. Pure.

Law: a key is never carried over, only what it might do. The table has hashes, and a plaintext key would not help: a key
here has a form of its own, with a checksum, which a worker asks before it looks anybody up (`core/api_key.py`).

The columns are those of `schema.prisma` in github.com/BerriAI/litellm; the API's `/key/list` has the same names.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from gantry.core.limit_words import LimitWords
from gantry.core.periods import Period
from gantry.imports.amounts import LARGEST, moment_in, number_in
from gantry.imports.durations import period_of
from gantry.imports.finding import Notes, Table, carried, changed, left, needless
from gantry.imports.log_source import is_true
from gantry.imports.plan import Plan, PlannedKey

SOURCE: Final = "litellm"
_NS: Final = 1_000_000_000
_UNREADABLE: Final = -1
_EVERY_MODEL: Final = ("all-proxy-models", "*")
_EVERY_TEAM_MODEL: Final = "all-team-models"
_NO_TEAMS: Final = left("there are no teams, users or projects; a key belongs to the organization")
_ITS_PAST: Final = left("what was spent before is in no counter here: the limit begins at 0")
_IT_DESCRIBES: Final = needless("it describes the old key")

KEYS: Final[Table] = {
    "keys[].token": needless("it is a hash; a new key is made, and shown once"),
    "keys[].token_id": needless("it is a hash; a new key is made, and shown once"),
    "keys[].key_name": carried("told beside the new key, so that you know whose it is"),
    "keys[].key_alias": carried("the key's name"),
    "keys[].expires": carried("the key's expiry"),
    "keys[].models": carried("the only models the key may call; all-proxy-models is none"),
    "keys[].blocked": carried("a key that is blocked is not made"),
    "keys[].max_budget": carried("a limit of cost on the key"),
    "keys[].budget_duration": changed(
        "that limit's period: calendar ones of UTC, where LiteLLM counts from a day of its own"
    ),
    "keys[].soft_budget": changed("a limit of cost that warns"),
    "keys[].rpm_limit": carried("a limit of requests a minute on the key"),
    "keys[].tpm_limit": carried("a limit of tokens a minute on the key"),
    "keys[].tpd_limit": carried("a limit of tokens a day on the key"),
    "keys[].max_parallel_requests": carried("a limit of concurrency on the key"),
    "keys[].spend": _ITS_PAST,
    "keys[].total_spend": _ITS_PAST,
    "keys[].model_spend": _ITS_PAST,
    "keys[].model_max_budget": left("no limit counts a key and a model together"),
    "keys[].budget_limits": left("no limit counts a key and a model together"),
    "keys[].budget_id": left("a budget that several share is in another table; give the limit to each key"),
    "keys[].litellm_budget_table": left("a budget that several share is in another table; give the limit to each key"),
    "keys[].budget_reset_at": needless("a calendar period begins anew by itself"),
    "keys[].soft_budget_cooldown": needless("it is a state, not a setting"),
    "keys[].metadata": left("a key has no metadata here"),
    "keys[].aliases": left("a name of one's own is the organization's: `gantry models add`"),
    "keys[].config": left("a key has no settings of its own"),
    "keys[].router_settings": left("routing rules are the organization's"),
    "keys[].key_type": left("a key has scopes and surfaces: `gantry keys change KEY --scope … --surface …`"),
    "keys[].budget_fallbacks": left("a key that has spent its budget is refused; no other model is asked instead"),
    "keys[].permissions": left("a key has scopes: `gantry keys change KEY --scope …`"),
    "keys[].allowed_routes": left("a key has surfaces: `gantry keys change KEY --surface …`"),
    "keys[].allowed_cache_controls": left("who may use the cache is said by the rules, and by each call"),
    "keys[].policies": left("there are no guardrails"),
    "keys[].access_group_ids": left("a key has a list of models, with patterns"),
    "keys[].object_permission_id": left("there are no MCP servers, vector stores or agents to allow"),
    "keys[].object_permission": left("there are no MCP servers, vector stores or agents to allow"),
    "keys[].user_id": _NO_TEAMS,
    "keys[].team_id": _NO_TEAMS,
    "keys[].agent_id": _NO_TEAMS,
    "keys[].project_id": _NO_TEAMS,
    "keys[].organization_id": _NO_TEAMS,
    "keys[].user": _NO_TEAMS,
    "keys[].auto_rotate": left("`gantry keys rotate KEY --grace 24h`, by whatever runs it"),
    "keys[].rotation_interval": left("`gantry keys rotate KEY --grace 24h`, by whatever runs it"),
    "keys[].rotation_count": _IT_DESCRIBES,
    "keys[].last_rotation_at": _IT_DESCRIBES,
    "keys[].key_rotation_at": _IT_DESCRIBES,
    "keys[].created_at": _IT_DESCRIBES,
    "keys[].created_by": _IT_DESCRIBES,
    "keys[].updated_at": _IT_DESCRIBES,
    "keys[].updated_by": _IT_DESCRIBES,
    "keys[].settings_updated_at": _IT_DESCRIBES,
    "keys[].last_active": _IT_DESCRIBES,
}


def read_keys(rows: Iterable[Mapping[str, Any]], now: int) -> Plan:
    """Return what a table of keys comes to. `now` is in ns since the epoch: an expired key is not made anew."""
    document = [dict(row) for row in rows]
    notes = Notes()
    keys: list[PlannedKey] = []
    limits: list[LimitWords] = []
    taken: set[str] = set()
    for index, row in enumerate(document):
        row.update({name: _parsed(value) for name, value in row.items()})
        place = f"keys[{index}]"
        expires_at, models = _expiry(row.get("expires")), row.get("models") or []
        if is_true(row.get("blocked")):
            notes.abandon(place, "the key is blocked, and is not made anew")
        elif expires_at == _UNREADABLE:
            words = "no time is read from `expires`, and a key without end is not made: `gantry keys create --expires`"
            notes.abandon(place, words)
        elif expires_at is not None and expires_at <= now:
            notes.abandon(place, "the key has expired, and is not made anew")
        elif not isinstance(models, list):
            words = "no list is read from `models`, and a key for all is not made: `gantry keys create --models`"
            notes.abandon(place, words)
        else:
            name = _name(row, index, taken, notes, place)
            known_as, allowed = str(row.get("key_name") or ""), _models(models, notes, place)
            keys.append(PlannedKey(name=name, known_as=known_as, models=allowed, expires_at=expires_at))
            limits += _limits(row, name, notes, place)
    return Plan(
        source=SOURCE, keys=tuple(keys), limits=tuple(limits), findings=notes.findings({"keys": document}, KEYS)
    )


def _name(row: Mapping[str, Any], index: int, taken: set[str], notes: Notes, place: str) -> str:
    wanted = str(row.get("key_alias") or row.get("key_name") or f"litellm key {index + 1}")
    numbers = itertools.count(1)
    name = next(one for number in numbers if (one := wanted if number == 1 else f"{wanted} ({number})") not in taken)
    taken.add(name)
    if name != wanted:
        notes.say(f"{place}.key_alias", changed(f"another key is called so: this one is {name}"))
    return name


def _models(models: list[Any], notes: Notes, place: str) -> tuple[str, ...]:
    listed = [str(one) for one in models]
    if any(one in _EVERY_MODEL for one in listed):
        return ()
    if _EVERY_TEAM_MODEL in listed:
        notes.say(
            f"{place}.models", left("its team's models are in another table; the key may call every model: narrow it")
        )
        listed.remove(_EVERY_TEAM_MODEL)
    return tuple(listed)


def _limits(row: Mapping[str, Any], name: str, notes: Notes, place: str) -> list[LimitWords]:
    limits = []
    period = period_of(row.get("budget_duration"))
    for member, warn in (("max_budget", False), ("soft_budget", True)):
        amount = number_in(row.get(member))
        if amount is None:
            continue
        if period is None:
            notes.say(f"{place}.{member}", left("no limit has such a period: `gantry limits add --key … --per month`"))
        else:
            limits.append(LimitWords(key=name, cost=amount, per=period, warn=warn, name=member if warn else ""))
    for member, unit, per in (
        ("rpm_limit", "requests", Period.MINUTE),
        ("tpm_limit", "tokens", Period.MINUTE),
        ("tpd_limit", "tokens", Period.DAY),
        ("max_parallel_requests", "concurrency", None),
    ):
        amount = number_in(row.get(member))
        if amount is None:
            continue
        if amount < 1:
            notes.say(f"{place}.{member}", left("a limit of 0 lets nothing pass: revoke the key instead"))
        else:
            limits.append(replace(LimitWords(key=name, per=per), **{unit: int(amount)}))
    return limits


def _parsed(value: Any) -> Any:
    """Return a cell of a CSV as the value it is: JSON, or PostgreSQL's `{a,b}`."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        pass
    if value.startswith("{") and value.endswith("}"):
        return [part.strip().strip('"') for part in value[1:-1].split(",") if part.strip()]
    return value


def _expiry(value: Any) -> int | None:
    """Return when a key ends, in ns since the epoch; -1 where a time was given and is none that can be read."""
    if value in (None, "", "infinity"):  # the last is PostgreSQL's word
        return None
    moment = moment_in(value)
    return _UNREADABLE if moment is None else min(int(moment.timestamp()) * _NS, LARGEST)
