"""What programs say to OpenRouter of routing, `models` and `provider`, as routing rules. Pure.

Law: OpenRouter is a provider here, and what stands in a call for it is passed on as it is: a move changes the address
and nothing else. What is read is which models a call takes in turn, which the rules can say for all calls.

The members are those of openrouter.ai/docs/features/provider-routing and its API reference, ProviderPreferences.
"""

from collections.abc import Mapping
from typing import Any, Final

from gantry.core.routing_rules import MOST_FALLBACKS
from gantry.imports.accounts import Account, Accounts
from gantry.imports.finding import Field, Notes, Table, carried, changed, for_all, left, needless
from gantry.imports.plan import ImportRefused, Plan
from gantry.providers.spec import ProviderSpec

SOURCE: Final = "openrouter"
_PROVIDER: Final = "openrouter"
_PASSED_ON: Final = needless("a call through Gantry may say it all the same: it is passed on to OpenRouter")
_OWN_ACCOUNTS: Final = left(
    "with accounts of your own at several providers, a load balance group has an order, weights and strategies; "
    "a call to OpenRouter may say it as before"
)

_SORT: Final = "strategy of the model's rule, between credentials of your own; in a call it is passed on"
_A_CALLS: Final = needless("it is each call's own")

PREFERENCES: Final[dict[str, Field]] = {
    "order": _OWN_ACCOUNTS,
    "only": _OWN_ACCOUNTS,
    "ignore": _OWN_ACCOUNTS,
    "allow_fallbacks": _PASSED_ON,
    "require_parameters": _PASSED_ON,
    "data_collection": _PASSED_ON,
    "zdr": _PASSED_ON,
    "enforce_distillable_text": _PASSED_ON,
    "quantizations": _PASSED_ON,
    "sort": changed(_SORT),
    "sort.by": changed(_SORT),
    "sort.partition": _PASSED_ON,
    "max_price": _PASSED_ON,
    "preferred_min_throughput": _PASSED_ON,
    "preferred_max_latency": _PASSED_ON,
    "experimental": _PASSED_ON,
}
_CALL: Final[dict[str, Field]] = {
    "model": carried("a model of the provider openrouter: openrouter/AUTHOR/MODEL"),
    "models": carried("fallback_models of the first model's rule"),
    "route": needless("models are tried in their order"),
    "transforms": _PASSED_ON,
    "plugins": _PASSED_ON,
    "preset": _PASSED_ON,
    "user": needless("a call names its customer by customer_identifier"),
    "usage": _PASSED_ON,
    "reasoning": _PASSED_ON,
    "session_id": _PASSED_ON,
    "trace": _PASSED_ON,
    "extra_body": left("what an OpenAI client adds to its body: give what stands in it as members of the call"),
    **for_all(
        _A_CALLS,
        "messages prompt input instructions stream stream_options temperature top_p top_k top_a min_p "
        "frequency_penalty presence_penalty repetition_penalty seed max_tokens max_completion_tokens max_output_tokens "
        "logit_bias logprobs top_logprobs stop tools tool_choice parallel_tool_calls response_format "
        "structured_outputs verbosity reasoning_effort modalities metadata image_config debug service_tier",
    ),
    "api_key": carried("the credential's key"),
    "base_url": needless("openrouter is a provider of the catalogue"),
    **{f"provider.{name}": field for name, field in PREFERENCES.items()},
}
CONFIG: Final[Table] = {f"{begin}{name}": field for begin in ("", "[].") for name, field in _CALL.items()}


def read_openrouter(document: Any, catalog: Mapping[str, ProviderSpec]) -> Plan:
    """Return what a call's routing, or a list of such, comes to. Raises ImportRefused for one that is none."""
    calls = document if isinstance(document, list) else [document]
    if not calls or not all(isinstance(one, dict) and {"model", "models", "provider"} & one.keys() for one in calls):
        raise ImportRefused("what is said to OpenRouter is an object with model, models or provider, or a list of such")
    notes = Notes()
    accounts = Accounts(SOURCE)
    rules: dict[str, dict[str, Any]] = {}
    for index, call in enumerate(calls):
        _read_call(call, f"[{index}]." if isinstance(document, list) else "", rules, notes)
    accounts.take(Account(provider=_PROVIDER, variable=catalog[_PROVIDER].environment[0]), None)
    routing = {"models": [{"match": match, **rule} for match, rule in rules.items() if rule]}
    return Plan(
        source=SOURCE,
        providers=accounts.declared(),
        routing={name: value for name, value in routing.items() if value},
        findings=notes.findings(document, CONFIG),
    )


def _read_call(call: dict[str, Any], place: str, rules: dict[str, dict[str, Any]], notes: Notes) -> None:
    listed = call.get("models")
    models = [str(one) for one in listed] if isinstance(listed, list) else []
    first = str(call["model"]) if call.get("model") else (models[0] if models else "")
    followers = [f"{_PROVIDER}/{one}" for one in models if one != first][:MOST_FALLBACKS]
    if not first:
        notes.say(f"{place}provider", _PASSED_ON)
        return
    rule = rules.setdefault(f"{_PROVIDER}/{first}", {})
    if followers:
        rule["fallback_models"] = list(dict.fromkeys((*rule.get("fallback_models", ()), *followers)))[:MOST_FALLBACKS]
    sort = (call.get("provider") or {}).get("sort") if isinstance(call.get("provider"), dict) else None
    sort = sort.get("by") if isinstance(sort, dict) else sort
    strategies = {"price": "cheapest", "latency": "least_latency", "throughput": "least_latency"}
    if isinstance(sort, str) and sort in strategies:
        rule["strategy"] = strategies[sort]
    if call.get("api_key"):
        notes.say(f"{place}api_key", changed("no key is read from a call: set the variable of the credential"))
