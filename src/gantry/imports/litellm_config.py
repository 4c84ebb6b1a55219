"""LiteLLM's `config.yaml` as a plan. Pure.

Law: what a deployment cannot be here is noted where it stands, and stops no other. The shape is that of the project's
published examples (github.com/BerriAI/litellm, `litellm/proxy/example_config_yaml/`) and of `litellm_fields`' sources.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gantry.core.limit_words import LimitWords
from gantry.core.routing_rules import MOST_FALLBACKS, MOST_RETRIES, Strategy
from gantry.core.secret import Secret
from gantry.imports.accounts import (
    SPOKEN_BY_SERVERS,
    Account,
    Accounts,
    lacking,
    owner_of,
    prefix_of,
    provider_claiming,
    provider_named,
    refusal_of,
)
from gantry.imports.amounts import amount_in, number_in
from gantry.imports.durations import days_in, period_of
from gantry.imports.finding import Field, Notes, carried, changed, left, needless
from gantry.imports.litellm_fields import CONFIG
from gantry.imports.litellm_values import Values, address_in, callable_address, variable_in
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.routes import Name, Target, build_routes, retries_in
from gantry.providers.spec import ProviderSpec

SOURCE: Final = "litellm"
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
# No providers of the catalogue, and servers of OpenAI's format at whatever address is given: constants.py of theirs,
# openai_compatible_providers, but for those that sign in otherwise.
_SPEAK_OPENAI: Final = frozenset(
    "xinference llamafile docker_model_runner lemonade infinity galadriel friendliai featherless_ai empower ragflow "
    "volcengine codestral meta_llama lambda_ai nscale modelscope v0 morph aiml vercel_ai_gateway compactifai helicone "
    "wandb cometapi clarifai heroku gradient_ai publicai synthetic apertis nano-gpt poe chutes".split()
)
# Where LiteLLM looks for a key that no deployment names, if elsewhere than Gantry would.
_VARIABLES: Final = {
    "azure_openai": ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    "nvidia_nim": ("NVIDIA_NIM_API_KEY",),
    "perplexity": ("PERPLEXITYAI_API_KEY",),
    "huggingface": ("HUGGINGFACE_API_KEY",),
}
# Whose models have bare names that nobody else's have: by what else the deployment says.
_TOLD_BY: Final = {"vertex_": "google_vertex_ai", "aws_": "bedrock"}
# Which format is spoken may stand before the model.
_FORMATS_IN_MODEL: Final = {
    "openai": ("responses/", "chat/"),
    "azure": ("responses/", "chat/"),
    "bedrock": ("converse/", "invoke/"),
}
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
_ANY: Final = "*"
_EVERY_PROVIDER: Final = needless(
    "a provider whose key is in the environment of `gantry serve` serves its models; add others: `gantry providers add`"
)
_OWN_SERVER: Final = "a server of your own that speaks OpenAI's format is written as openai/MODEL, with its api_base"
_FACTS: Final = {
    "max_input_tokens": ("context_window", int),
    "supports_function_calling": ("tools", bool),
    "supports_vision": ("vision", bool),
}


def read_litellm(
    document: Any,
    catalog: Mapping[str, ProviderSpec],
    lines: Mapping[str, int] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Plan:
    """Return what a configuration comes to; `environ` has what it says in variables and is no secret.

    Raises ImportRefused for one that is none.
    """
    if not isinstance(document, dict) or not isinstance(document.get("model_list") or [], list):
        raise ImportRefused("a LiteLLM config.yaml is an object with a model_list")
    return _Reading(document, catalog, Values(document, environ or {})).plan(lines)


class _Reading:
    """One configuration as it is read."""

    def __init__(self, document: dict[str, Any], catalog: Mapping[str, ProviderSpec], values: Values) -> None:
        self._document = document
        self._catalog = catalog
        self._values = values
        self._notes = Notes()
        self._accounts = Accounts(SOURCE)
        self._names: dict[str, Name] = {}
        self._limits: list[LimitWords] = []
        self._settings: dict[str, Any] = {}
        self._params: dict[str, dict[str, Any]] = {}  # of deployments, by their places
        self._by_id: dict[str, str] = {}  # models, by the ids of their deployments
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
        if name == _ANY and params == {"model": _ANY}:
            self._notes.settle(place, _EVERY_PROVIDER)
            return
        found = self._who(params)
        if not name or isinstance(found, str):
            why = "a deployment needs a model_name" if not name else str(found)
            self._notes.abandon(place, f"this deployment is not read: {why}")
            return
        account, model = self._account(found[0], params, inside), found[1]
        self._params[place] = params
        reason = self._reason_for_none(account, params)
        credential = None
        if reason is None:
            credential = self._accounts.take(account, None if _ANY in model else model)
        else:
            self._no_credential(reason, account, params, inside)
        written = f"{self._written(account)}/{model}"
        known = self._names.setdefault(name, Name(name=name, is_pattern=_ANY in name))
        if known.is_pattern:
            self._pattern(name, written, place, reason)
        weight = self._weight(None if reason else account, params, inside)
        known.targets.append(Target(model=written, credential=credential, place=place, weight=weight))
        info = entry.get("model_info")
        info = info if isinstance(info, dict) else {}
        self._by_id.setdefault(str(info.get("id")), written)
        self._facts(known, params, info)
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
        if not written:
            return "litellm_params.model is missing"
        given, _ = address_in(params)
        address = None if given is None else self._values.text(given)
        address = None if address is None else callable_address(address)
        prefix, slash, rest = written.partition("/")
        if named is not None:
            prefix, rest = str(named), written.removeprefix(f"{named}/")
        elif not slash:
            spec = self._bare(written, params)
            if spec is None and address is None:
                return f"no provider is known to have {written!r}; write it as PROVIDER/MODEL"
            prefix, rest = "openai" if spec is None else spec.id, written
        if not rest:
            return f"no model stands behind {prefix}/"
        for spoken in _FORMATS_IN_MODEL.get(prefix, ()):
            rest = rest.removeprefix(spoken)
        if prefix in _SPEAK_OPENAI and given is not None:
            prefix = "openai"
        spec = provider_named(_PROVIDERS.get(prefix, prefix), self._catalog)
        if spec is None:
            return f"there is no provider {prefix}: docs/catalogue.md lists them; {_OWN_SERVER}"
        if spec.id in SPOKEN_BY_SERVERS and address is None and (given is not None or prefix == "litellm_proxy"):
            return _unset(given) if given is not None else f"{prefix} is a server of your own, and needs api_base"
        return refusal_of(address) or (owner_of(spec, address), rest)

    def _bare(self, model: str, params: dict[str, Any]) -> ProviderSpec | None:
        """Return whose model is written without a provider before it."""
        owners = (owner for begin, owner in _TOLD_BY.items() if any(name.startswith(begin) for name in params))
        return provider_claiming(model, self._catalog) or self._catalog.get(next(owners, ""))

    def _account(self, provider: ProviderSpec | str, params: dict[str, Any], inside: str) -> Account:
        key, variable = self._values.secret(params.get("api_key"))
        address = self._address(params, inside)
        if isinstance(provider, str):
            return Account(provider=provider, base_url=address, key=key, variable=variable)
        fields = dict(self._fields(provider, params, inside))
        secrets = {item.name for item in provider.fields if item.secret}
        named = any(params.get(theirs) for theirs, (_, ours) in _FIELDS.items() if ours in secrets)
        if key is None and variable is None and not named and provider.environment:
            variable = self._values.first_set(_VARIABLES.get(provider.id, provider.environment))
            self._notes.say(f"{inside}.model", _key_in(variable, provider))
        return Account(
            provider=provider.id,
            base_url=address,
            key=key,
            variable=variable,
            fields=tuple(fields.items()),
        )

    def _address(self, params: dict[str, Any], inside: str) -> str | None:
        given, member = address_in(params)
        written = None if given is None else self._values.text(given)
        if written is None:
            return None
        address = callable_address(written)
        if variable_in(given) is not None:
            self._notes.say(f"{inside}.{member}", _as_set_here(variable_in(given)))
        elif address != written:
            self._notes.say(f"{inside}.{member}", changed(f"{address}: 0.0.0.0 is none that can be called"))
        return address

    def _fields(self, provider: ProviderSpec, params: dict[str, Any], inside: str) -> Iterator[tuple[str, Secret]]:
        secrets = {item.name for item in provider.fields if item.secret}
        for theirs, (owner, ours) in _FIELDS.items():
            value = params.get(theirs)
            if value in (None, ""):
                continue
            where, variable = f"{inside}.{theirs}", variable_in(value)
            text = self._values.text(value, secret=ours in secrets)
            if owner != provider.id:
                self._notes.say(where, left(f"{provider.name} has no such field"))
            elif text is None:
                self._notes.say(where, left(_secret_in(variable) if ours in secrets else _unset(value)))
            elif ours == "vertex_ai_credentials" and not text.lstrip().startswith("{"):
                words = f"it names a file: `gantry providers add vertex_ai --field {ours}=@{text}`"
                self._notes.say(where, left(words))
            else:
                if variable is not None:
                    self._notes.say(where, _as_set_here(variable))
                yield ours, Secret(text)

    def _reason_for_none(self, account: Account, params: dict[str, Any]) -> str | None:
        """Return why an account is no credential."""
        given, _ = address_in(params)
        if given is not None and self._values.text(given) is None:
            return _unset(given)
        return lacking(account, self._catalog)

    def _no_credential(self, reason: str, account: Account, params: dict[str, Any], inside: str) -> None:
        words = f"the model behind the name. No credential is made: {reason}. `gantry providers add {account.provider}`"
        self._notes.say(f"{inside}.model", changed(words))
        for member in ("api_key", address_in(params)[1], *_FIELDS):
            if params.get(member):
                self._notes.say(f"{inside}.{member}", left(f"no credential is made: {reason}"))

    def _weight(self, account: Account | None, params: dict[str, Any], inside: str) -> float:
        for name in ("weight", "rpm", "tpm"):
            value = self._number(params.get(name), f"{inside}.{name}")
            if value is not None and value > 0:
                if name != "weight":
                    words = "its weight among the deployments of its name, as simple-shuffle takes it; no limit"
                    self._notes.say(f"{inside}.{name}", changed(words))
                if account is not None and not self._accounts.weigh(account, value):
                    words = "a group's member has it; its credential has the weight of another model"
                    self._notes.say(f"{inside}.{name}", changed(words))
                return value
        return 1.0

    def _pattern(self, name: str, written: str, place: str, reason: str | None) -> None:
        if name in (written, _ANY):
            of_whom = written.partition("/")[0]
            field = carried(f"the credential serves every model of {of_whom}")
            if reason is not None:
                field = left(f"a credential of {of_whom} serves every model of it, and none is made: {reason}")
            self._notes.say(f"{place}.model_name", field)
        else:
            self._notes.say(
                f"{place}.model_name",
                left(f"a pattern of names of one's own leads nowhere here; callers write {written}"),
            )

    def _facts(self, name: Name, params: dict[str, Any], info: dict[str, Any]) -> None:
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
            wanted = str(meant.get("model") if isinstance(meant, dict) else meant)
            target = self._names.get(wanted)
            if target is None or not target.targets:
                self._notes.say(f"{place}.{alias}", left(f"{wanted!r} is no name of model_list that was read"))
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
        default, place = self._either("default_fallbacks")
        if isinstance(default, list):
            self._everybody += self._followers(default, place)
        if self._everybody:
            document["fallback_models"] = list(dict.fromkeys(self._everybody))[:MOST_FALLBACKS]
        retries: dict[str, Any] = {}
        for member in ("num_retries", "max_retries"):
            count, place = self._either(member)
            retries = {**retries_in(count), **retries}
            if self._number(count, place) is not None and float(count) > MOST_RETRIES:
                self._notes.say(place, changed(f"retries.num_retries; it is {MOST_RETRIES} at most"))
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
            if known is None and name != _ANY:
                self._notes.say(place, left(f"{name!r} is no name of model_list that was read"))
                continue
            chosen = self._followers(others if isinstance(others, list) else [], place)
            if known is None:
                self._everybody += chosen
                continue
            rule = known.rule
            rule["fallback_models"] = list(dict.fromkeys((*rule.get("fallback_models", ()), *chosen)))[:MOST_FALLBACKS]

    def _followers(self, listed: list[Any], place: str) -> list[str]:
        """Return the models of a list of fallbacks, which has names, or ids of deployments."""
        followers, told = [], []
        for one in listed:
            if not isinstance(one, str):
                told.append("a fallback with parameters of its own is not taken over; names are")
            elif one in self._names or one.partition("/")[0] in self._prefixes:
                followers.append(one)
            elif one in self._by_id:
                told.append(f"{one} is a deployment's id: its model is the fallback")
                followers.append(self._by_id[one])
            else:
                told.append(f"{one!r} is no name of model_list that was read, and is left out")
        if len(followers) > MOST_FALLBACKS:
            told.append(f"the first {MOST_FALLBACKS} of {len(followers)} are taken over")
        if told:
            self._notes.say(place, changed("; ".join(dict.fromkeys(told))))
        return followers

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
        elif most is not None:
            words = "a limit of concurrency is a whole number above 0; without one nothing is limited"
            self._notes.say("general_settings.global_max_parallel_requests", left(words))
        budget = self._number(overall.get("max_budget"), "litellm_settings.max_budget")
        period = period_of(overall.get("budget_duration"))
        if budget is not None:
            if period is None:
                words = "no limit has such a period: `gantry limits add --organization --cost … --per month`"
                self._notes.say("litellm_settings.max_budget", left(words))
            else:
                self._limits.append(LimitWords(organization=True, cost=budget, per=period))
        kept_for = general.get("maximum_spend_logs_retention_period")
        days = days_in(kept_for)
        if days is not None:
            self._settings["retention_days"] = days
        elif kept_for is not None:
            words = "no span of time is read from it: retention_days in gantry.toml"
            self._notes.say("general_settings.maximum_spend_logs_retention_period", left(words))
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


def _key_in(variable: str, provider: ProviderSpec) -> Field:
    if provider.either:  # of several keys, of which a variable holds one
        words = f"the model behind the name; its key is ${variable}: other keys are given by `gantry providers add`"
        return changed(words)
    return carried(f"the model behind the name; its key is ${variable}, as with LiteLLM")


def _as_set_here(variable: str | None) -> Field:
    return changed(f"what ${variable} says where the import runs; a later change of it is not seen")


def _unset(value: Any) -> str:
    return f"its place is ${variable_in(value)}, which is not set here: set it, and import again"


def _secret_in(variable: str | None) -> str:
    return f"it is a secret in ${variable}, and only one key is called by its variable: `gantry providers add`"
