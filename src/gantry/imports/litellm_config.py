"""LiteLLM's `config.yaml` as a plan. Pure.

Law: what a deployment cannot be here is noted where it stands, and stops no other. The shape is that of the project's
published examples (github.com/BerriAI/litellm, `litellm/proxy/example_config_yaml/`) and of `litellm_fields`' sources.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gantry.core.limit_words import LimitWords
from gantry.core.routing_rules import MOST_FALLBACKS, Strategy
from gantry.core.secret import Secret
from gantry.imports.accounts import (
    Account,
    Accounts,
    owner_of,
    prefix_of,
    provider_claiming,
    provider_named,
    refusal_of,
)
from gantry.imports.amounts import amount_in, number_in
from gantry.imports.durations import days_in, period_of
from gantry.imports.finding import Notes, carried, changed, left
from gantry.imports.litellm_fields import CONFIG
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.routes import Name, Target, build_routes, retries_in
from gantry.providers.spec import ProviderSpec

SOURCE: Final = "litellm"
_VARIABLE: Final = "os.environ/"
_MIB: Final = 1024 * 1024
_PER_MILLION: Final = 1_000_000
_LONGEST_TIMEOUT: Final = 3600
_LONGEST_PAUSE: Final = 10
# What LiteLLM calls otherwise, or by several names for several of a provider's formats.
_PROVIDERS: Final = {
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "openai_like": "openai",
    "openai_chat": "openai",
    "mistral_chat": "mistral",
    "fireworks_ai": "fireworks",
    "together_ai": "togetherai",
    "litellm_proxy": "openai",
}
# Which format is spoken may stand before the model.
_FORMATS_IN_MODEL: Final = {
    "openai": ("responses/", "chat/"),
    "azure": ("responses/", "chat/"),
    "bedrock": ("converse/", "invoke/"),
}
_ADDRESSES: Final = ("api_base", "base_url", "aws_bedrock_runtime_endpoint")
_STRATEGIES: Final = {
    "simple-shuffle": Strategy.WEIGHTED,
    "least-busy": Strategy.LEAST_BUSY,
    "latency-based-routing": Strategy.LEAST_LATENCY,
    "cost-based-routing": Strategy.CHEAPEST,
}
_FIELDS: Final = {
    "api_version": ("azure_openai", "api_version"),
    "aws_access_key_id": ("bedrock", "aws_access_key_id"),
    "aws_secret_access_key": ("bedrock", "aws_secret_access_key"),
    "aws_session_token": ("bedrock", "aws_session_token"),
    "aws_region_name": ("bedrock", "aws_region_name"),
    "vertex_project": ("google_vertex_ai", "vertex_ai_project"),
    "vertex_location": ("google_vertex_ai", "vertex_ai_location"),
    "vertex_credentials": ("google_vertex_ai", "vertex_ai_credentials"),
}
_PRICES: Final = {
    "input_cost_per_token": "input_cost",
    "output_cost_per_token": "output_cost",
    "cache_read_input_token_cost": "cached_input_cost",
    "cache_creation_input_token_cost": "cache_write_cost",
}
_FACTS: Final = {
    "max_input_tokens": ("context_window", int),
    "supports_function_calling": ("tools", bool),
    "supports_vision": ("vision", bool),
}


def read_litellm(document: Any, catalog: Mapping[str, ProviderSpec], lines: Mapping[str, int] | None = None) -> Plan:
    """Return what a configuration comes to. Raises ImportRefused for one that is none."""
    if not isinstance(document, dict) or not isinstance(document.get("model_list", []), list):
        raise ImportRefused("a LiteLLM config.yaml is an object with a model_list")
    return _Reading(document, catalog).plan(lines)


class _Reading:
    """One configuration as it is read."""

    def __init__(self, document: dict[str, Any], catalog: Mapping[str, ProviderSpec]) -> None:
        self._document = document
        self._catalog = catalog
        self._notes = Notes()
        self._accounts = Accounts(SOURCE)
        self._names: dict[str, Name] = {}
        self._limits: list[LimitWords] = []
        self._settings: dict[str, Any] = {}
        self._params: dict[str, dict[str, Any]] = {}  # of deployments, by their places
        self._everybody: list[str] = []  # the fallbacks of names without any of their own
        self._prefixes = {prefix for spec in catalog.values() for prefix in (spec.id, *spec.prefixes)}

    def plan(self, lines: Mapping[str, int] | None) -> Plan:
        for index, entry in enumerate(self._document.get("model_list") or ()):
            place = f"model_list[{index}]"
            if isinstance(entry, dict) and isinstance(entry.get("litellm_params"), dict):
                self._deployment(entry, entry["litellm_params"], place)
            else:
                self._notes.abandon(place, "a deployment has a model_name and litellm_params; this one is not read")
        self._limits_of_names()
        defaults = self._defaults()
        self._aliases()
        routing = self._routing(defaults)
        self._general()
        routes = build_routes(list(self._names.values()), self._prefixes, self._notes)
        rules = [{**defaults, **rule} for rule in routes.rules]
        if defaults:
            rules.append({"match": "*", **defaults})
        document = {**routing, "groups": routes.groups, "models": rules}
        return Plan(
            source=SOURCE,
            providers=self._accounts.declared(),
            models=routes.models,
            routing={name: value for name, value in document.items() if value not in ([], {})},
            limits=tuple(self._limits),
            settings=self._settings,
            findings=self._notes.findings(self._document, CONFIG, lines),
        )

    # Deployments

    def _deployment(self, entry: dict[str, Any], params: dict[str, Any], place: str) -> None:
        name, inside = str(entry.get("model_name") or ""), f"{place}.litellm_params"
        params = {**self._stored_credential(params, inside), **params}
        found = self._who(params)
        if not name or isinstance(found, str):
            reason = "a deployment needs a model_name" if not name else str(found)
            self._notes.abandon(place, f"this deployment is not read: {reason}")
            return
        account, model = self._account(found[0], params, inside), found[1]
        self._params[place] = params
        credential = self._accounts.take(account, None if "*" in model else model)
        written = f"{self._written(account)}/{model}"
        known = self._names.setdefault(name, Name(name=name, is_pattern="*" in name))
        if known.is_pattern:
            self._pattern(name, written, place)
        weight = self._weight(account, params, inside)
        known.targets.append(Target(model=written, credential=credential, place=place, weight=weight))
        self._facts(known, params, entry.get("model_info") or {})
        self._rule_of(known, params, inside)

    def _stored_credential(self, params: dict[str, Any], inside: str) -> dict[str, Any]:
        wanted = params.get("litellm_credential_name")
        if wanted is None:
            return {}
        listed = self._document.get("credential_list")
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and one.get("credential_name") == wanted:
                values = one.get("credential_values")
                return values if isinstance(values, dict) else {}
        self._notes.say(
            f"{inside}.litellm_credential_name",
            left(f"there is no {wanted!r} in credential_list; add the credential with `gantry providers add`"),
        )
        return {}

    def _who(self, params: dict[str, Any]) -> tuple[ProviderSpec | str, str] | str:
        """Return the provider (or a server's name) and its name for the model, or why there is none."""
        written, named = str(params.get("model") or ""), params.get("custom_llm_provider")
        address = _address_in(params)
        prefix, slash, rest = written.partition("/")
        if named is not None:
            prefix, rest = str(named), written.removeprefix(f"{named}/")
        elif not slash:
            spec = provider_claiming(written, self._catalog)
            if spec is None and address is None:
                return f"no provider is known to have {written!r}; write it as PROVIDER/MODEL"
            prefix, rest = "openai" if spec is None else spec.id, written
        if not rest:
            return "litellm_params.model is missing"
        for spoken in _FORMATS_IN_MODEL.get(prefix, ()):
            rest = rest.removeprefix(spoken)
        spec = provider_named(_PROVIDERS.get(prefix, prefix), self._catalog)
        if spec is None:
            return (
                f"there is no provider {prefix}: docs/catalogue.md lists them, and a server of your own needs api_base"
            )
        written_out = None if self._is_variable(address) else address
        return refusal_of(written_out) or (owner_of(spec, written_out), rest)

    def _account(self, provider: ProviderSpec | str, params: dict[str, Any], inside: str) -> Account:
        key, variable = self._secret(params.get("api_key"))
        address = _address_in(params)
        if isinstance(provider, str):
            return Account(provider=provider, base_url=address, key=key, variable=variable)
        fields = dict(self._fields(provider, params, inside))
        if address is not None and self._is_variable(address):
            self._notes.say(
                f"{inside}.api_base", left("an address is written out in gantry.toml; it stands in a variable here")
            )
            address = None
        if key is None and variable is None and not fields and provider.environment:
            variable = provider.environment[0]
            self._notes.say(
                f"{inside}.model", carried(f"the model behind the name; its key is ${variable}, as with LiteLLM")
            )
        return Account(
            provider=provider.id,
            base_url=address,
            key=key,
            variable=variable,
            fields=tuple(fields.items()),
        )

    def _fields(self, provider: ProviderSpec, params: dict[str, Any], inside: str) -> Iterator[tuple[str, Secret]]:
        for theirs, (owner, ours) in _FIELDS.items():
            value = params.get(theirs)
            if value in (None, ""):
                continue
            text = str(value)
            if owner != provider.id:
                self._notes.say(f"{inside}.{theirs}", left(f"{provider.name} has no such field"))
            elif self._is_variable(text):
                self._notes.say(
                    f"{inside}.{theirs}",
                    left(
                        f"it stands in {text.removeprefix(_VARIABLE)}: give it by `gantry providers add`, or as a field"
                    ),
                )
            elif ours == "vertex_ai_credentials" and not text.lstrip().startswith("{"):
                self._notes.say(
                    f"{inside}.{theirs}",
                    left(f"it names a file: `gantry providers add vertex_ai --field {ours}=@{text}`"),
                )
            else:
                yield ours, Secret(text)

    def _weight(self, account: Account, params: dict[str, Any], inside: str) -> float:
        for name in ("weight", "rpm", "tpm"):
            value = self._number(params.get(name), f"{inside}.{name}")
            if value is not None and value > 0:
                if name != "weight":
                    words = "its weight among the deployments of its name, as simple-shuffle takes it; no limit"
                    self._notes.say(f"{inside}.{name}", changed(words))
                if not self._accounts.weigh(account, value):
                    words = "a group's member has it; its credential has the weight of another model"
                    self._notes.say(f"{inside}.{name}", changed(words))
                return value
        return 1.0

    def _pattern(self, name: str, written: str, place: str) -> None:
        if name in (written, "*"):
            self._notes.say(
                f"{place}.model_name", carried(f"the credential serves every model of {written.partition('/')[0]}")
            )
        else:
            self._notes.say(
                f"{place}.model_name",
                left(f"a pattern of names of one's own leads nowhere here; callers write {written}"),
            )

    def _facts(self, name: Name, params: dict[str, Any], info: Any) -> None:
        info = info if isinstance(info, dict) else {}
        for theirs, ours in _PRICES.items():
            value = amount_in(params.get(theirs, info.get(theirs)))
            if value is not None:
                name.facts.setdefault(ours, round(value * _PER_MILLION, 9))
        for theirs, (ours, kind) in _FACTS.items():
            if isinstance(info.get(theirs), kind):
                name.facts.setdefault(ours, info[theirs])

    def _rule_of(self, name: Name, params: dict[str, Any], inside: str) -> None:
        for theirs, ours in (("timeout", "total_timeout"), ("stream_timeout", "first_token_timeout")):
            self._put_seconds(name.rule, ours, params.get(theirs), f"{inside}.{theirs}")
        for theirs in ("num_retries", "max_retries"):
            retries = retries_in(params.get(theirs))
            if retries:
                name.rule.setdefault("retries", retries)

    def _limits_of_names(self) -> None:
        """Make a limit of what a deployment may spend or hold, where its name has no other."""
        for name in self._names.values():
            for target in name.targets:
                params = self._params[target.place]
                wanted = {
                    "max_budget": ("cost", period_of(params.get("budget_duration"))),
                    "max_parallel_requests": ("concurrency", None),
                }
                for theirs, (unit, period) in wanted.items():
                    where = f"{target.place}.litellm_params.{theirs}"
                    amount = self._number(params.get(theirs), where)
                    if amount is None:
                        continue
                    if len(name.targets) > 1 or (unit == "cost" and period is None):
                        self._notes.say(where, left("no limit counts one of several deployments, nor so long a period"))
                        continue
                    self._notes.say(where, changed(f"a limit of {unit} on {name.name}, whoever calls it"))
                    counted = amount if unit == "cost" else int(amount)
                    self._limits.append(replace(LimitWords(model=name.name, per=period), **{unit: counted}))

    # Settings

    def _section(self, name: str) -> dict[str, Any]:
        found = self._document.get(name)
        return found if isinstance(found, dict) else {}

    def _either(self, member: str) -> tuple[Any, str]:
        """Return a member of the router's settings, or of LiteLLM's, and its place."""
        for section in ("router_settings", "litellm_settings"):
            if self._section(section).get(member) is not None:
                return self._section(section)[member], f"{section}.{member}"
        return None, ""

    def _defaults(self) -> dict[str, Any]:
        """Return what the rule for all models says."""
        defaults: dict[str, Any] = {}
        router, place = self._section("router_settings"), "router_settings"
        strategy = router.get("routing_strategy")
        if strategy is not None:
            known = _STRATEGIES.get(str(strategy))
            if known is None:
                self._notes.say(
                    f"{place}.routing_strategy",
                    changed(f"{strategy} has no like here: deployments are drawn by weight, and a 429 cools one off"),
                )
            elif known is not Strategy.WEIGHTED:
                defaults["strategy"] = str(known)
                for name in self._names.values():
                    name.strategy = str(known)
        self._put_seconds(defaults, "total_timeout", router.get("timeout"), f"{place}.timeout")
        self._put_seconds(defaults, "first_token_timeout", router.get("stream_timeout"), f"{place}.stream_timeout")
        if "total_timeout" not in defaults:
            where = "litellm_settings.request_timeout"
            timeout = self._section("litellm_settings").get("request_timeout")
            self._put_seconds(defaults, "total_timeout", timeout, where)
        return defaults

    def _put_seconds(self, rule: dict[str, Any], name: str, value: Any, place: str) -> None:
        seconds = None if name in rule else self._number(value, place)
        if seconds is None:
            return
        if seconds > _LONGEST_TIMEOUT:
            self._notes.say(place, changed(f"{name} is an hour at most; without it a call takes as long as it takes"))
        elif seconds > 0:
            rule[name] = seconds

    def _aliases(self) -> None:
        aliases, place = self._either("model_group_alias")
        for alias, meant in (aliases or {}).items() if isinstance(aliases, dict) else ():
            target = self._names.get(str(meant.get("model") if isinstance(meant, dict) else meant))
            if target is None or not target.targets:
                self._notes.say(f"{place}.{alias}", left(f"{meant!r} is no name of model_list"))
                continue
            self._names.setdefault(
                str(alias),
                Name(name=str(alias), targets=list(target.targets), rule=dict(target.rule), facts=dict(target.facts)),
            )

    def _routing(self, defaults: dict[str, Any]) -> dict[str, Any]:
        """Return the members of the routing document that are nobody's own; give fallbacks to those they are of."""
        for member in ("fallbacks", "context_window_fallbacks"):
            entries, place = self._either(member)
            for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                self._fallbacks(entry, f"{place}[{index}]")
        document: dict[str, Any] = {}
        default, _ = self._either("default_fallbacks")
        if isinstance(default, list):
            self._everybody += [str(name) for name in default]
        if self._everybody:
            document["fallback_models"] = list(dict.fromkeys(self._everybody))[:MOST_FALLBACKS]
        retries: dict[str, Any] = {}
        for member in ("num_retries", "max_retries"):
            count, _ = self._either(member)
            retries = {**retries_in(count), **retries}
        pause, place = self._either("retry_after")
        if isinstance(pause, int | float) and 0 < pause <= _LONGEST_PAUSE:
            retries["retry_after"] = float(pause)
        elif pause:
            self._notes.say(place, left(f"a pause is more than 0 and at most {_LONGEST_PAUSE} seconds"))
        if retries:
            document["retries"] = retries
        document["cache"] = self._cache()
        return document

    def _fallbacks(self, entry: Any, place: str) -> None:
        if not isinstance(entry, dict):
            self._notes.say(place, left("a fallback is {NAME: [NAMES]}"))
            return
        for name, others in entry.items():
            known = self._names.get(str(name))
            if known is None and name != "*":
                self._notes.say(place, left(f"{name!r} is no name of model_list"))
                continue
            chosen = [str(one) for one in others if isinstance(one, str)] if isinstance(others, list) else []
            if len(chosen) < len(others if isinstance(others, list) else ()):
                self._notes.say(place, changed("a fallback with parameters of its own is not taken over; names are"))
            if known is None:
                self._everybody += chosen
                continue
            rule = known.rule
            rule["fallback_models"] = list(dict.fromkeys((*rule.get("fallback_models", ()), *chosen)))[:MOST_FALLBACKS]

    def _cache(self) -> dict[str, Any]:
        settings = self._section("litellm_settings")
        params = settings.get("cache_params")
        params = params if isinstance(params, dict) else {}
        if not settings.get("cache") and not self._section("router_settings").get("cache_responses"):
            return {}
        cache: dict[str, Any] = {"enabled": params.get("mode") != "default_off"}
        ttl = self._number(params.get("ttl"), "litellm_settings.cache_params.ttl")
        if ttl is not None and ttl > 0:
            cache["ttl"] = int(ttl)
        return cache

    def _general(self) -> None:
        general, overall = self._section("general_settings"), self._section("litellm_settings")
        most = general.get("global_max_parallel_requests")
        if isinstance(most, int) and most > 0:
            self._limits.append(LimitWords(organization=True, concurrency=most))
        budget = self._number(overall.get("max_budget"), "litellm_settings.max_budget")
        period = period_of(overall.get("budget_duration"))
        if budget is not None:
            if period is None:
                words = "no limit has such a period: `gantry limits add --organization --cost … --per month`"
                self._notes.say("litellm_settings.max_budget", left(words))
            else:
                self._limits.append(LimitWords(organization=True, cost=budget, per=period))
        days = days_in(general.get("maximum_spend_logs_retention_period"))
        if days is not None:
            self._settings["retention_days"] = days
        size = self._number(general.get("max_request_size_mb"), "general_settings.max_request_size_mb")
        if size is not None and size > 0:
            self._settings["max_body_bytes"] = int(size * _MIB)

    # Values

    def _number(self, value: Any, place: str) -> float | None:
        """Return the number that a member is; one that is none is noted."""
        if value is None:
            return None
        number = number_in(value)
        if number is None:
            self._notes.say(place, left("it is no number"))
        return number

    def _written(self, account: Account) -> str:
        spec = self._catalog.get(account.provider)
        return account.provider if spec is None else prefix_of(spec)

    @staticmethod
    def _is_variable(value: Any) -> bool:
        return isinstance(value, str) and value.startswith(_VARIABLE)

    def _secret(self, value: Any) -> tuple[Secret | None, str | None]:
        """Return a key, or the variable that holds one."""
        if value in (None, ""):
            return None, None
        if self._is_variable(value):
            return None, str(value).removeprefix(_VARIABLE)
        return Secret(str(value)), None


def _address_in(params: Mapping[str, Any]) -> str | None:
    return next((str(params[name]) for name in _ADDRESSES if params.get(name)), None)
