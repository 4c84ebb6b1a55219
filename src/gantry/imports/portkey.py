"""Portkey's configs, as its gateway takes them: a strategy over targets, which may have strategies of their own. Pure.

Law: a config has no name of its own, so it gets one, by which callers name its group. What a call would decide there
(`override_params`, conditions) is the caller's to say here.

The members are those of github.com/Portkey-AI/gateway, `src/types/requestBody.ts` and
`src/middlewares/requestValidator/schema/config.ts`; both spellings, `api_key` and `apiKey`, are read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from gantry.core.routing_rules import MOST_FALLBACKS
from gantry.core.secret import Secret
from gantry.imports.accounts import (
    Account,
    Accounts,
    group_id,
    lacking,
    owner_of,
    prefix_of,
    provider_claiming,
    provider_named,
    refusal_of,
    server_name,
)
from gantry.imports.amounts import amount_in
from gantry.imports.finding import Field, Notes, Table, carried, changed, for_all, left, needless
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.routes import members_of, retries_in
from gantry.providers.spec import ProviderSpec
from gantry.settings import DeclaredModel

SOURCE: Final = "portkey"
_HUMP: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_MILLISECONDS: Final = 1000
_LONGEST_TIMEOUT: Final = 3600
_PROVIDERS: Final = {
    "azure-openai": "azure_openai",
    "mistral-ai": "mistral",
    "together-ai": "togetherai",
    "fireworks-ai": "fireworks",
    "perplexity-ai": "perplexity",
    "google": "google_gemini_ai",
    "vertex-ai": "google_vertex_ai",
    "workers-ai": "cloudflare",
    "x-ai": "xai",
}
_FIELDS: Final = {
    "api_version": ("azure_openai", "api_version"),
    "azure_api_version": ("azure_openai", "api_version"),
    "aws_access_key_id": ("bedrock", "aws_access_key_id"),
    "aws_secret_access_key": ("bedrock", "aws_secret_access_key"),
    "aws_session_token": ("bedrock", "aws_session_token"),
    "aws_region": ("bedrock", "aws_region_name"),
    "vertex_project_id": ("google_vertex_ai", "vertex_ai_project"),
    "vertex_region": ("google_vertex_ai", "vertex_ai_location"),
    "vertex_service_account_json": ("google_vertex_ai", "vertex_ai_credentials"),
    "workers_ai_account_id": ("cloudflare", "account_id"),
}
_RESOURCES: Final = {"azure_openai": "https://{}.openai.azure.com"}  # the address of a resource_name
_SLUG: Final = "@"  # before the name of an account that lies with Portkey
_NO_STORED_KEY: Final = left(
    "the key lies with Portkey: add it with `gantry providers add`; any credential of the provider then serves"
)
_A_CALLS: Final = needless("which model is asked for, and by it which provider, stands in the call")
_NO_GUARD: Final = left("there are no guardrails")
_NOT_TAKEN: Final = left("this provider is called in another way here: docs/providers.md")
_STATUS_CODES: Final = left(
    "what follows a failure is by what the error means, not by a list of statuses: docs/failover.md"
)
_OWN_HEALTH: Final = needless("cooldowns follow from what an error says and grow by themselves: docs/failover.md")
_CONDITIONS: Final = left("no condition chooses between targets: a caller names the model or the group")

_TARGET: Final[dict[str, Field]] = {
    "name": needless("it names the target in Portkey's logs"),
    "provider": carried("the provider of a credential"),
    "api_key": carried("the credential's key"),
    "virtual_key": _NO_STORED_KEY,
    "weight": carried("the weight of the group's member"),
    "custom_host": carried("the credential's base_url; a server of your own becomes a provider of its name"),
    "resource_name": carried("Azure's endpoint, https://NAME.openai.azure.com, as the credential's base_url"),
    "deployment_id": carried("the model of Azure's: a deployment"),
    "azure_model_name": needless("a deployment's price is given by `gantry models add`"),
    "request_timeout": changed("total_timeout, in seconds, of the rule of each model that it stands for"),
    "retry.attempts": carried("retries.num_retries"),
    "retry.on_status_codes": _STATUS_CODES,
    "retry.use_retry_after_header": needless("a wait of up to 10 seconds that a provider asks for is kept"),
    "retry.use_retry_after_headers": needless("a wait of up to 10 seconds that a provider asks for is kept"),
    "cb_config": _OWN_HEALTH,
    "strategy.cb_config": _OWN_HEALTH,
    "default_params": left("only a server of your own has defaults: `gantry providers custom put NAME --set …`"),
    "drop_params": left("which parameters a provider does not take is data of its provider"),
    "prompt_id": left("there is no prompt management"),
    "azure_resource_name": carried("the same as resource_name"),
    "azure_deployment_id": carried("the same as deployment_id"),
    "passthrough": _A_CALLS,
    "deployments": left("each deployment of Azure's is a model, azure/NAME; `gantry models add` gives it a name"),
    "cache": carried("cache.enabled, where it stands for the whole config"),
    "cache.mode": changed("the same request is answered from the cache; one that is only like it is not"),
    "cache.max_age": carried("cache.ttl"),
    "override_params.model": carried("the member's model"),
    "override_params": left("a call says its parameters itself, but for the model"),
    "metadata": left("metadata is the caller's, on each call"),
    "strategy.mode": carried("a load balance group, fallbacks, or one model"),
    "strategy.on_status_codes": _STATUS_CODES,
    "strategy.conditions": _CONDITIONS,
    "strategy.default": _CONDITIONS,
    "on_status_codes": _STATUS_CODES,
    **{name: carried(f"the field {ours} of the credential") for name, (_, ours) in _FIELDS.items()},
    **for_all(
        _NO_GUARD,
        "before_request_hooks after_request_hooks default_input_guardrails default_output_guardrails "
        "input_guardrails output_guardrails",
    ),
    **for_all(
        _NOT_TAKEN,
        "ad_auth azure_auth_mode azure_managed_client_id azure_entra_client_id "
        "azure_entra_client_secret azure_entra_tenant_id azure_entra_scope azure_ad_token "
        "azure_region azure_deployment_type azure_endpoint_name azure_foundry_url "
        "azure_extra_parameters azure_deployment_name "
        "aws_auth_type aws_role_arn aws_external_id aws_s3_bucket aws_s3_object_key aws_bedrock_model "
        "aws_server_side_encryption aws_server_side_encryption_kms_key_id aws_service "
        "foundation_model amzn_sagemaker_custom_attributes amzn_sagemaker_target_model "
        "amzn_sagemaker_target_variant amzn_sagemaker_target_container_hostname "
        "amzn_sagemaker_inference_id amzn_sagemaker_enable_explanations "
        "amzn_sagemaker_inference_component amzn_sagemaker_session_id amzn_sagemaker_model_name "
        "stability_client_id stability_client_user_id stability_client_version huggingface_base_url "
        "vertex_storage_bucket_name vertex_model_name "
        "vertex_batch_endpoint snowflake_account fireworks_account_id fireworks_file_length "
        "openai_project openai_organization openai_beta anthropic_beta anthropic_version "
        "mistral_fim_completion filename",
    ),
    "forward_headers": left("a provider gets the headers that its format has"),
    "url_to_fetch": left("a path of your own is not called; give custom_host"),
    "strict_open_ai_compliance": needless("an answer comes in the format of whoever asks"),
    "transform_to_form_data": needless("the path of a call says what it takes"),
    "model_pricing_config": left("prices of your own: [[prices]] of gantry.toml, `gantry models add`"),
    "index": needless("it is Portkey's own count"),
    "original_index": needless("it is Portkey's own count"),
}
_WHO: Final = ("provider", "virtual_key", "api_key", "custom_host", "override_params", "deployment_id")
_OPAQUE: Final = ("override_params", "default_params", "metadata", "vertex_service_account_json", "query")
_KNOWN: Final = {name.partition(".")[0] for name in _TARGET}
_DEPTH: Final = 4  # of strategies within strategies that are read

CONFIG: Final[Table] = {
    **{f"{'targets[].' * depth}{name}": field for depth in range(_DEPTH) for name, field in _TARGET.items()},
    "mode": carried("the older form of strategy.mode"),
    "plugins_enabled": _NO_GUARD,
    "plugins": _NO_GUARD,
    "credentials": _NO_GUARD,  # of plugins, in a gateway's own conf.json
    "integrations": left("accounts of a gateway of your own: `gantry providers add PROVIDER --name SLUG` adds each"),
    "options": left("the older form of targets: write it as strategy and targets"),
}


def read_portkey(document: Any, catalog: Mapping[str, ProviderSpec], name: str = SOURCE) -> Plan:
    """Return what a config comes to; `name` is what its group is called. Raises ImportRefused for one that is none."""
    if not isinstance(document, dict) or not _KNOWN & _snaked(document).keys():
        raise ImportRefused(
            "a Portkey config is an object with strategy and targets, with a provider, or with what holds for all calls"
        )
    return _Reading(_snaked(document), catalog, name).plan()


class _Reading:
    def __init__(self, document: dict[str, Any], catalog: Mapping[str, ProviderSpec], name: str) -> None:
        self._document = document
        self._catalog = catalog
        self._name = name
        self._notes = Notes()
        self._accounts = Accounts(SOURCE)
        self._groups: list[dict[str, Any]] = []
        self._rules: dict[str, dict[str, Any]] = {}
        self._by_name: dict[str, str] = {}  # models, by the names of their targets

    def plan(self) -> Plan:
        members = list(self._members(self._document, "", 1.0, {}))
        mode = self._mode(self._document)
        routing: dict[str, Any] = {}
        if members and (mode == "loadbalance" or len(members) == 1) and not self._is_open_fallback(mode):
            self._group(self._name, members)
        elif members and self._is_open_fallback(mode):
            routing["fallback_models"] = list(dict.fromkeys(one["model"] for one in members))[:MOST_FALLBACKS]
            self._notes.say("strategy.mode", carried("fallback_models, for every model without fallbacks of its own"))
        elif members and mode == "fallback":
            self._notes.say("strategy.mode", self._follow(members))
        timeout = self._rule_in(self._document, "")
        if timeout and not members:
            self._rules["*"] = timeout
            self._notes.say("request_timeout", changed("total_timeout, in seconds, of the rule for all models"))
        retries = self._retries(self._document)
        if retries:
            routing["retries"] = retries
        cache = self._cache()
        if cache:
            routing["cache"] = cache
        if self._groups:
            routing["groups"] = self._groups
        if self._rules:
            routing["models"] = [{"match": match, **rule} for match, rule in self._rules.items()]
        return Plan(
            source=SOURCE,
            providers=self._accounts.declared(),
            models=tuple(self._named_by_conditions()) if mode == "conditional" else (),
            routing=routing,
            findings=self._notes.findings(self._document, CONFIG),
        )

    def _is_open_fallback(self, mode: str) -> bool:
        """Say whether calls go where they say themselves, and only then to the targets."""
        targets = self._document.get("targets")
        return mode == "fallback" and isinstance(targets, list) and bool(targets) and _is_open(targets[0])

    def _named_by_conditions(self) -> Iterator[DeclaredModel]:
        """Yield the names that calls are told apart by: `params.model` that equals one."""
        strategy = self._document.get("strategy")
        conditions = strategy.get("conditions") if isinstance(strategy, dict) else None
        names: list[str] = []
        for one in conditions if isinstance(conditions, list) else ():
            query, then = (one.get("query"), one.get("then")) if isinstance(one, dict) else (None, None)
            asked = query.get("params.model") if isinstance(query, dict) and len(query) == 1 else None
            name = asked.get("$eq") if isinstance(asked, dict) and len(asked) == 1 else None
            model = self._by_name.get(str(then))
            if isinstance(name, str) and model is not None and name not in names and "/" not in name:
                names.append(name)
                yield DeclaredModel(name=name, base=model)
        if names:
            words = (
                f"of those that ask for params.model, names of one's own: {', '.join(names)}; the others choose nothing"
            )
            self._notes.say("strategy.conditions", changed(words))

    def _mode(self, target: dict[str, Any]) -> str:
        strategy = target.get("strategy")
        return str(strategy.get("mode") if isinstance(strategy, dict) else target.get("mode") or "single")

    def _members(
        self, target: dict[str, Any], place: str, weight: float, inherited: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the members a target comes to; those of a strategy within it have its rule, and share its weight."""
        rule = {**inherited, **self._rule_in(target, place)}
        inner = target.get("targets")
        if not isinstance(inner, list):
            member = self._member(target, place, weight, rule)
            if member is not None:
                yield member
            return
        targets = [one for one in inner if isinstance(one, dict)]
        mode = self._mode(target)
        total = sum(_weight(one) for one in targets) or 1.0
        if mode == "conditional":
            self._notes.say(f"{place}strategy.mode", _CONDITIONS)
        found: list[dict[str, Any]] = []
        for index, one in enumerate(targets):
            where = f"{place}targets[{index}]."
            if mode == "single" and found:
                self._notes.abandon(where.removesuffix("."), "of a single strategy the first target is read")
                continue
            share = _weight(one)
            if place:
                share = weight * share / total if mode == "loadbalance" else weight
            found += self._members(one, where, share, rule)
        if not found:
            self._nothing_in(target, place)
        if place and mode == "fallback" and found:
            self._follow(found)
            found = found[:1]
            words = "fallbacks within another strategy: the first target is its member, the others follow it"
            self._notes.say(f"{place}strategy.mode", changed(words))
        yield from found

    def _member(self, target: dict[str, Any], place: str, weight: float, rule: dict[str, Any]) -> dict[str, Any] | None:
        if not any(target.get(name) for name in _WHO):
            if place:
                self._notes.settle(place.removesuffix("."), _A_CALLS)
            return None
        named, params = str(target.get("provider") or ""), target.get("override_params")
        model = params.get("model") if isinstance(params, dict) else None
        model = str(model or target.get("deployment_id") or target.get("azure_deployment_id") or "")
        stored = bool(target.get("virtual_key")) or named.startswith(_SLUG)
        if model.startswith(_SLUG):
            stored, model = True, model.partition("/")[2]
            self._notes.say(
                f"{place}override_params.model", changed("the member's model, without the account before it")
            )
        spec = self._spec(named, model)
        host = str(target["custom_host"]) if target.get("custom_host") else None
        reason = refusal_of(host)
        if reason is None and spec is None and not (named and host):
            reason = f"there is no provider {named or 'in it'}"
            if stored:
                reason = "its key lies with Portkey, and no model tells whose it is: `gantry providers add`"
        if reason is not None:
            self._abandon(place, f"this target is not read: {reason}")
            return None
        owner = owner_of(spec, host) if spec is not None else server_name(host or "")
        credential = None if stored else self._credential(owner, host, target, place, model)
        if not model:
            words = "which model is asked for stands in the call, so it is no member of a group"
            self._notes.say(f"{place}provider", changed(words))
            return None
        reference = f"{prefix_of(owner) if isinstance(owner, ProviderSpec) else owner}/{model}"
        if stored:
            where = "virtual_key" if target.get("virtual_key") else "provider" if named else "override_params.model"
            words = f"{_NO_STORED_KEY.words}. By its name the model is {reference}"
            self._notes.say(f"{place}{where}", left(words))
        if rule:
            self._rules.setdefault(reference, dict(rule))
        if target.get("name"):
            self._by_name.setdefault(str(target["name"]), reference)
        return {"model": reference, "weight": weight, "credential": credential}

    def _spec(self, named: str, model: str) -> ProviderSpec | None:
        """Return the provider of the catalogue that is meant: by its name, or else by whose the model is."""
        if named and not named.startswith(_SLUG):
            known = provider_named(_PROVIDERS.get(named, named.replace("-", "_")), self._catalog)
            return known or provider_named(named, self._catalog)
        return provider_claiming(model, self._catalog) if model else None

    def _credential(
        self, owner: ProviderSpec | str, host: str | None, target: dict[str, Any], place: str, model: str
    ) -> str | None:
        """Return the name of the credential that a target calls by; None where none can be made."""
        key = Secret(str(target["api_key"])) if target.get("api_key") else None
        fields = self._fields(owner, target, place)
        address = host
        resource = target.get("resource_name") or target.get("azure_resource_name")
        if resource and isinstance(owner, ProviderSpec) and owner.id in _RESOURCES:
            address = _RESOURCES[owner.id].format(resource)
        variable = None
        if key is None and isinstance(owner, ProviderSpec) and not fields and owner.environment:
            variable = owner.environment[0]
            self._notes.say(f"{place}provider", changed(f"the provider; no key stands here: ${variable} is looked for"))
        account = Account(
            provider=owner.id if isinstance(owner, ProviderSpec) else owner,
            base_url=address,
            key=key,
            variable=variable,
            fields=tuple(fields.items()),
        )
        reason = lacking(account, self._catalog)
        if reason is None:
            return self._accounts.take(account, model or None)
        words = f"no credential is made: {reason}. `gantry providers add {account.provider}`"
        for member in ("provider", "api_key", "resource_name", "azure_resource_name", *_FIELDS):
            if target.get(member):
                self._notes.say(f"{place}{member}", left(words))
        return None

    def _nothing_in(self, target: dict[str, Any], place: str) -> None:
        """Note that no target of a strategy is a member."""
        for member in ("strategy.mode", "mode", "request_timeout", "retry.attempts", "weight")[: None if place else 2]:
            outer, _, inner = member.partition(".")
            if target.get(outer) and (not inner or isinstance(target[outer], dict)):
                self._notes.say(
                    f"{place}{member}", left("no target of it names a model, so there is nothing to say it of")
                )

    def _abandon(self, place: str, words: str) -> None:
        if place:
            self._notes.abandon(place.removesuffix("."), words)
            return
        for name in (*_WHO, *_FIELDS):  # what else stands there holds for all calls
            if name in self._document:
                self._notes.abandon(name, words)

    def _fields(self, owner: ProviderSpec | str, target: dict[str, Any], place: str) -> dict[str, Secret]:
        found = {}
        for theirs, (provider, ours) in _FIELDS.items():
            value = target.get(theirs)
            if value in (None, "", {}):
                continue
            if isinstance(owner, ProviderSpec) and owner.id == provider:
                found[ours] = Secret(value if isinstance(value, str) else msgspec.json.encode(value).decode())
            else:
                self._notes.say(f"{place}{theirs}", left("this provider has no such field"))
        return found

    def _rule_in(self, target: dict[str, Any], place: str) -> dict[str, Any]:
        """Return what a target says for itself and all within it; retries of the whole config hold for all calls."""
        rule: dict[str, Any] = {}
        retries = self._retries(target) if place else {}
        if retries:
            rule["retries"] = retries
        timeout = amount_in(target.get("request_timeout"))
        if timeout is not None and timeout > 0:
            rule["total_timeout"] = min(timeout / _MILLISECONDS, _LONGEST_TIMEOUT)
        if place and target.get("cache"):
            self._notes.say(f"{place}cache", left("the cache is switched on for all, or by a call"))
        return rule

    def _group(self, name: str, members: list[dict[str, Any]]) -> None:
        wanted = group_id(name)
        deployments = ((one["model"], one["credential"], one["weight"]) for one in members)
        self._groups.append({"id": wanted, "name": name, "members": members_of(deployments)})
        self._notes.say(
            "strategy.mode", carried(f"a load balance group: callers say load_balance_group.group_id = {wanted}")
        )

    def _follow(self, members: list[dict[str, Any]]) -> Field:
        """Let the models of all but the first member follow it, and return what became of the strategy."""
        first = members[0]
        followers = list(dict.fromkeys(one["model"] for one in members[1:] if one["model"] != first["model"]))
        if not followers:
            return changed(f"all are {first['model']}: its credentials are tried one after the other anyway")
        self._rules.setdefault(first["model"], {})["fallback_models"] = followers
        return carried(f"a rule: calls for {first['model']} go on to the models of the other targets")

    def _retries(self, target: dict[str, Any]) -> dict[str, Any]:
        retry = target.get("retry")
        return retries_in(retry.get("attempts")) if isinstance(retry, dict) else {}

    def _cache(self) -> dict[str, Any]:
        cache = self._document.get("cache")
        if not cache:
            return {}
        settings: dict[str, Any] = {"enabled": True}
        age = amount_in(cache.get("max_age")) if isinstance(cache, dict) else None
        if age is not None and age > 0:
            settings["ttl"] = int(age)
        return settings


def _is_open(target: Any) -> bool:
    return isinstance(target, dict) and not any(target.get(name) for name in (*_WHO, "targets"))


def _weight(target: dict[str, Any]) -> float:
    weight = amount_in(target.get("weight"))
    return 1.0 if weight is None or weight < 0 else weight


def _snaked(value: Any, opaque: bool = False) -> Any:
    """Return a config with its members in one spelling; what is the provider's stays as it is."""
    if isinstance(value, list):
        return [_snaked(one) for one in value]
    if not isinstance(value, dict) or opaque:
        return value
    snaked = {_HUMP.sub(lambda found: f"_{found[1].lower()}", name): one for name, one in value.items()}
    return {name: _snaked(one, name in _OPAQUE) for name, one in snaked.items()}
