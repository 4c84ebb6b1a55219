"""Portkey's configs, as its gateway takes them: a strategy over targets, which may have strategies of their own. Pure.

Law: a config has no name of its own, so it gets one, by which callers name its group. What a call would decide there
(`override_params`, conditions) is the caller's to say here.

The members are those of github.com/Portkey-AI/gateway, `src/types/requestBody.ts` and
`src/middlewares/requestValidator/schema/config.ts`; both spellings, `api_key` and `apiKey`, are read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gantry.core.secret import Secret
from gantry.imports.accounts import (
    Account,
    Accounts,
    group_id,
    owner_of,
    prefix_of,
    provider_named,
    refusal_of,
    server_name,
)
from gantry.imports.amounts import amount_in
from gantry.imports.finding import Field, Notes, Table, carried, changed, for_all, left, needless
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.routes import retries_in
from gantry.providers.spec import ProviderSpec

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
    "aws_access_key_id": ("bedrock", "aws_access_key_id"),
    "aws_secret_access_key": ("bedrock", "aws_secret_access_key"),
    "aws_session_token": ("bedrock", "aws_session_token"),
    "aws_region": ("bedrock", "aws_region_name"),
    "vertex_project_id": ("google_vertex_ai", "vertex_ai_project"),
    "vertex_region": ("google_vertex_ai", "vertex_ai_location"),
    "workers_ai_account_id": ("cloudflare", "account_id"),
}
_RESOURCES: Final = {"azure_openai": "https://{}.openai.azure.com"}  # the address of a resource_name
_NO_STORED_KEY: Final = left(
    "the key lies with Portkey: add it with `gantry providers add`, and name the credential in the group"
)
_NO_GUARD: Final = left("there are no guardrails")
_NOT_TAKEN: Final = left("this provider is called in another way here: docs/providers.md")
_STATUS_CODES: Final = left(
    "what follows a failure is by what the error means, not by a list of statuses: docs/failover.md"
)
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
    "request_timeout": changed("total_timeout, in seconds, of the model's rule"),
    "retry.attempts": carried("retries.num_retries"),
    "retry.on_status_codes": _STATUS_CODES,
    "retry.use_retry_after_header": needless("a wait of up to 10 seconds that a provider asks for is kept"),
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
        "azure_api_version azure_foundry_url azure_extra_parameters azure_deployment_name "
        "aws_auth_type aws_role_arn aws_external_id aws_s3_bucket aws_s3_object_key aws_bedrock_model "
        "aws_server_side_encryption aws_server_side_encryption_kms_key_id aws_service "
        "foundation_model amzn_sagemaker_custom_attributes amzn_sagemaker_target_model "
        "amzn_sagemaker_target_variant amzn_sagemaker_target_container_hostname "
        "amzn_sagemaker_inference_id amzn_sagemaker_enable_explanations "
        "amzn_sagemaker_inference_component amzn_sagemaker_session_id amzn_sagemaker_model_name "
        "stability_client_id stability_client_user_id stability_client_version huggingface_base_url "
        "vertex_service_account_json vertex_storage_bucket_name vertex_model_name "
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
_DEPTH: Final = 4  # of strategies within strategies that are read

CONFIG: Final[Table] = {
    **{f"{'targets[].' * depth}{name}": field for depth in range(_DEPTH) for name, field in _TARGET.items()},
    "mode": carried("the older form of strategy.mode"),
    "options": left("the older form of targets: write it as strategy and targets"),
}


def read_portkey(document: Any, catalog: Mapping[str, ProviderSpec], name: str = SOURCE) -> Plan:
    """Return what a config comes to; `name` is what its group is called. Raises ImportRefused for one that is none."""
    if not isinstance(document, dict) or not (
        {"strategy", "targets", "provider", "virtual_key", "virtualKey"} & document.keys()
    ):
        raise ImportRefused("a Portkey config is an object with strategy and targets, or with a provider")
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

    def plan(self) -> Plan:
        members = list(self._members(self._document, "", 1.0))
        mode = self._mode(self._document)
        routing: dict[str, Any] = {}
        if members and (mode == "loadbalance" or len(members) == 1):
            self._group(self._name, members)
        elif members and mode == "fallback":
            self._follow(members)
            words = f"a rule: calls for {members[0]['model']} go on to the models of the other targets"
            self._notes.say("strategy.mode", carried(words))
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
            routing=routing,
            findings=self._notes.findings(self._document, CONFIG),
        )

    def _mode(self, target: dict[str, Any]) -> str:
        strategy = target.get("strategy")
        return str(strategy.get("mode") if isinstance(strategy, dict) else target.get("mode") or "single")

    def _members(self, target: dict[str, Any], place: str, weight: float) -> Iterator[dict[str, Any]]:
        """Yield the members that a target comes to; those of a strategy within it share its weight."""
        inner = target.get("targets")
        if not isinstance(inner, list):
            member = self._member(target, place, weight)
            if member is not None:
                yield member
            return
        targets = [one for one in inner if isinstance(one, dict)]
        mode = self._mode(target)
        total = sum(_weight(one) for one in targets) or 1.0
        if place and mode == "fallback":
            self._notes.say(
                f"{place}strategy.mode",
                changed("fallbacks within another strategy: the first target is its member, the others follow it"),
            )
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
            found += self._members(one, where, share)
        if place and mode == "fallback" and found:
            self._follow(found)
            found = found[:1]
        yield from found

    def _member(self, target: dict[str, Any], place: str, weight: float) -> dict[str, Any] | None:
        at = place.removesuffix(".")
        provider, params = str(target.get("provider") or ""), target.get("override_params")
        model = params.get("model") if isinstance(params, dict) else None
        model = model or target.get("deployment_id")
        spec = provider_named(_PROVIDERS.get(provider, provider.replace("-", "_")), self._catalog)
        spec = spec or provider_named(provider, self._catalog)
        host = str(target["custom_host"]) if target.get("custom_host") else None
        refused = refusal_of(host)
        if refused is not None:
            self._abandon(at, f"this target is not read: {refused}")
            return None
        if spec is None and not (provider and host):
            reason = (
                _NO_STORED_KEY.words if target.get("virtual_key") else f"there is no provider {provider or 'in it'}"
            )
            self._abandon(at, f"this target is not read: {reason}")
            return None
        owner = owner_of(spec, host) if spec is not None else server_name(host or "")
        key = Secret(str(target["api_key"])) if target.get("api_key") else None
        fields = self._fields(owner, target, place)
        address = host
        if target.get("resource_name") and isinstance(owner, ProviderSpec) and owner.id in _RESOURCES:
            address = _RESOURCES[owner.id].format(target["resource_name"])
        written = prefix_of(owner) if isinstance(owner, ProviderSpec) else owner
        variable = None
        if key is None and isinstance(owner, ProviderSpec) and not fields and owner.environment:
            variable = owner.environment[0]
            self._notes.say(f"{place}provider", changed(f"the provider; no key stands here: ${variable} is looked for"))
        credential = self._accounts.take(
            Account(
                provider=owner.id if isinstance(owner, ProviderSpec) else owner,
                base_url=address,
                key=key,
                variable=variable,
                fields=tuple(fields.items()),
            ),
            None if model is None else str(model),
        )
        if model is None:
            self._notes.say(
                f"{place}provider",
                changed(
                    "the credential; which model it is asked for stands in the call, so it is no member of a group"
                ),
            )
            return None
        reference = f"{written}/{model}"
        self._rule_of(reference, target, place)
        return {"model": reference, "weight": weight, "credential": credential}

    def _abandon(self, place: str, words: str) -> None:
        if place:
            self._notes.abandon(place, words)
        else:
            for name in self._document:
                self._notes.abandon(name, words)

    def _fields(self, owner: ProviderSpec | str, target: dict[str, Any], place: str) -> dict[str, Secret]:
        found = {}
        for theirs, (provider, ours) in _FIELDS.items():
            if target.get(theirs) in (None, ""):
                continue
            if isinstance(owner, ProviderSpec) and owner.id == provider:
                found[ours] = Secret(str(target[theirs]))
            else:
                self._notes.say(f"{place}{theirs}", left("this provider has no such field"))
        return found

    def _rule_of(self, model: str, target: dict[str, Any], place: str) -> None:
        if not place:
            return
        rule: dict[str, Any] = {}
        retries = self._retries(target)
        if retries:
            rule["retries"] = retries
        timeout = amount_in(target.get("request_timeout"))
        if timeout is not None and timeout > 0:
            rule["total_timeout"] = min(timeout / _MILLISECONDS, _LONGEST_TIMEOUT)
        if rule:
            self._rules.setdefault(model, rule)
        if target.get("cache"):
            self._notes.say(f"{place}cache", left("the cache is switched on for all, or by a call"))

    def _group(self, name: str, members: list[dict[str, Any]]) -> None:
        wanted = group_id(name)
        self._groups.append({"id": wanted, "name": name, "members": members})
        self._notes.say(
            "strategy.mode", carried(f"a load balance group: callers say load_balance_group.group_id = {wanted}")
        )

    def _follow(self, members: list[dict[str, Any]]) -> None:
        first = members[0]
        followers = list(dict.fromkeys(one["model"] for one in members[1:] if one["model"] != first["model"]))
        if followers:
            self._rules.setdefault(first["model"], {})["fallback_models"] = followers

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
    return {name: _snaked(one, name in ("override_params", "metadata")) for name, one in snaked.items()}
