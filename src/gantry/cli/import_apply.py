"""An imported configuration applied to a home: all of it as one change, made by hand as far as anybody is concerned.

Law: what is there already stays as it is, and is named; what cannot be used is named with the reason, and stops nothing
else. A new key's secret leaves here once.
"""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gantry.clerk.declared import credential_of, read_declared
from gantry.clerk.declared_models import read_models
from gantry.clerk.model_world import read_world
from gantry.clerk.price_table import open_rates
from gantry.cli.opened import OpenHome
from gantry.cli.rules_writing import hand_of, known_world
from gantry.console.rules_change import change_rules
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import CallerError
from gantry.core.limit_check import LimitRefused, check_limit
from gantry.core.limit_words import read_words
from gantry.core.limits import Limit
from gantry.core.routing_document import Document
from gantry.core.secret import Secret
from gantry.imports.plan import Plan, PlannedKey
from gantry.prices.folder import PriceFolder
from gantry.prices.rates import Rates
from gantry.providers.provider_choice import ChoiceError
from gantry.providers.spec import load_catalog
from gantry.store import Connection
from gantry.store.control import Change
from gantry.store.credentials import CredentialExists, add_credential
from gantry.store.custom_models import custom_models_of, put_custom_model
from gantry.store.keys import KeyNotFound, KeyPolicy, add_key, find_key, keys_of
from gantry.store.limits import add_limit, limits_of
from gantry.store.providers import custom_providers_of, put_provider
from gantry.store.routing_rules import current_rules
from gantry.store.vault import Vault


class NewKey(Struct, frozen=True):
    planned: PlannedKey
    secret: Secret


class Applied(Struct, frozen=True):
    version: int
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    keys: tuple[NewKey, ...]


def apply_plan(opened: OpenHome, plan: Plan) -> Applied:
    """Make what a plan says, and return what came of it."""
    rates = open_rates(opened.home.cache, PriceFolder(opened.home.prices))
    with opened.control.changing() as change:
        applying = _Applying(opened, change)
        applying.credentials(plan)
        applying.models(plan, rates)
        applying.keys(plan)
        applying.limits(plan)
        applying.routing(plan)
        applying.settings(plan)
    return Applied(change.version, tuple(applying.done), tuple(applying.skipped), tuple(applying.made))


class _Applying:
    def __init__(self, opened: OpenHome, change: Change) -> None:
        self._opened = opened
        self._change = change
        self._organization_id = opened.organization_id
        self.done: list[str] = []
        self.skipped: list[str] = []
        self.made: list[NewKey] = []

    def credentials(self, plan: Plan) -> None:
        catalog, vault = load_catalog(), Vault(self._opened.keyring.vault)
        for entry in plan.providers:
            label = f"credential {entry.provider}/{entry.name}"
            try:
                customs = custom_providers_of(self._change.connection, self._organization_id)
                choice, secrets = read_declared(entry, catalog, customs)
                if choice.is_new:
                    put_provider(
                        self._change,
                        CustomProvider(
                            organization_id=self._organization_id,
                            id=choice.spec.id,
                            name=choice.spec.name,
                            base_url=choice.base_url,
                        ),
                    )
                credential = credential_of(entry, choice, secrets, None)
                add_credential(self._change, vault, self._organization_id, credential)
            except (ChoiceError, CredentialExists) as error:
                self.skipped.append(f"{label}: {error}")
            else:
                self.done.append(label)

    def models(self, plan: Plan, rates: Rates) -> None:
        connection = self._change.connection
        present = [model.name for model in custom_models_of(connection, self._organization_id)]
        wanted = [model for model in plan.models if model.name not in present]
        self.skipped += [f"model {one.name}: it is there already" for one in plan.models if one.name in present]
        world = read_world(connection, self._organization_id, load_catalog(), rates, time.time_ns())
        for found in read_models(wanted, self._organization_id, world, ()):
            if isinstance(found, CustomModel):
                put_custom_model(self._change, replace(found, managed_by=None))
                self.done.append(f"model {found.name}, which is {found.asks_for}")
            else:
                self.skipped.append(found.removeprefix("gantry.toml: "))

    def keys(self, plan: Plan) -> None:
        present = {key.name for key in keys_of(self._change.connection, self._organization_id)}
        for planned in plan.keys:
            if planned.name in present:
                self.skipped.append(f"key {planned.name}: there is one already, and it keeps its secret")
                continue
            policy = KeyPolicy(models=planned.models, expires_at=planned.expires_at)
            pepper = self._opened.keyring.pepper
            _, secret = add_key(self._change, self._organization_id, planned.name, policy, pepper)
            self.made.append(NewKey(planned, secret))
            self.done.append(f"key {planned.name}")

    def limits(self, plan: Plan) -> None:
        connection = self._change.connection
        present = {_counted(stored.limit) for stored in limits_of(connection, self._organization_id)}
        find = partial(_key_id, connection, self._organization_id)
        for words in plan.limits:
            whose = words.key or words.model or "the organization"
            try:
                limit = check_limit(read_words(words, find))
                if _counted(limit) in present:
                    self.skipped.append(f"limit {limit.name} of {whose}: it is there already")
                    continue
                add_limit(self._change, self._organization_id, limit)
            except LimitRefused as error:
                self.skipped.append(f"limit of {whose}: {error}")
            else:
                present.add(_counted(limit))
                self.done.append(f"limit {limit.name} of {whose}")

    def routing(self, plan: Plan) -> None:
        said: list[str] = []
        present = current_rules(self._change.connection, self._organization_id).document
        if merged(present, plan.routing, said) == present:
            self.skipped += said
            return
        said.clear()
        hand = hand_of(f"imported from {plan.source}")
        try:
            checked = change_rules(
                self._change,
                self._organization_id,
                known_world(),
                hand,
                lambda document: merged(document, plan.routing, said),
            )
        except CallerError as error:
            self.skipped.append(f"routing rules: {error.message}")
            return
        self.skipped += said
        self.skipped += [f"routing rules: {warning}" for warning in checked.warnings]
        self.done.append(f"routing rules, version {checked.written.version}")

    def settings(self, plan: Plan) -> None:
        """A setting is the file's alone."""
        self.skipped += [
            f"setting {name}: write `{name} = {value}` into gantry.toml" for name, value in plan.settings.items()
        ]


def merged(present: Document, new: Mapping[str, Any], said: list[str]) -> Document:
    """Return a routing document with what another has beside it. What both say stays as it is, and is said."""
    document = dict(present)
    for name, value in new.items():
        identity = {"groups": "id", "models": "match"}.get(name)
        if identity is None:
            if name in document and document[name] != value:
                said.append(f"routing rules: {name} is decided already")
            document.setdefault(name, value)
            continue
        known = {one.get(identity) for one in document.get(name, ())}
        said += [f"routing rules: there is one for {one[identity]} already" for one in value if one[identity] in known]
        document[name] = [*document.get(name, ()), *(one for one in value if one[identity] not in known)]
    return document


def summary_lines(applied: Applied) -> Iterator[str]:
    yield from (f"made: {one}" for one in applied.done)
    yield from (f"not made: {one}" for one in applied.skipped)


def _counted(limit: Limit) -> tuple[Any, ...]:
    return limit.name, limit.scope, limit.subject, limit.unit, limit.period, limit.environment


def _key_id(connection: Connection, organization_id: str, name: str) -> str:
    try:
        return find_key(connection, organization_id, name).id
    except KeyNotFound as error:
        raise LimitRefused("key", str(error)) from error
