"""Credentials added, given other secrets, tried, removed; and which of them is home.

Law: a change takes the scope `manage`. A secret goes in and is never shown again. Its answer comes when the workers of
this machine route by it, or says by `x-gantry-live: no` that they do not yet. What is declared elsewhere is changed
there. Trying a credential spends nothing.
"""

from typing import Final, NamedTuple

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.credential_fields import shown_item, specs_of
from gantry.console.credential_form import (
    CredentialForm,
    CredentialVerdict,
    RemovedCredential,
    SecretsForm,
    address_of,
    read_credential_form,
    secrets_of,
)
from gantry.console.credential_service import CredentialItem
from gantry.console.credentials import known_credential
from gantry.console.live import tell_when_live
from gantry.console.probe import Outside, Verdict, probe
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.rules_change import check_rules
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import Forbidden, InvalidRequest
from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.core.vocabulary import Scope
from gantry.providers.credential_secrets import CredentialUnusable, complete_secrets
from gantry.providers.provider_choice import ChoiceError, ProviderChoice, check_base_url, choose_provider
from gantry.providers.rules_world import catalogue_world
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.credentials import (
    Credential,
    CredentialExists,
    NewCredential,
    add_credential,
    change_credential,
    make_home,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.providers import custom_providers_of, put_provider, remove_unused_providers
from gantry.store.routing_rules import current_rules

_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("credentials")


class Tried(NamedTuple):
    """A credential as it is tried: where, at whom, with what; or why it cannot be."""

    base_url: str
    spec: ProviderSpec
    secrets: dict[str, Secret] | str


@router.post("/api/credentials", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=CredentialForm, answers=CredentialItem)
async def make_credential(request: Request, state: State, caller: Caller) -> Response:
    """Add a credential for a provider of the catalogue, or for any OpenAI-compatible one by its base URL."""
    form: CredentialForm = read_credential_form(await read_bounded(request), CredentialForm)

    def add(control: ControlStore) -> tuple[CredentialItem, int]:
        with control.changing() as change:
            choice = _choose(change.connection, caller, form)
            if choice.is_new:
                custom = CustomProvider(
                    id=choice.spec.id,
                    organization_id=caller.organization_id,
                    name=choice.spec.name,
                    base_url=choice.base_url,
                )
                put_provider(change, custom)
            new = NewCredential(
                provider_id=choice.spec.id,
                name=form.name,
                base_url=choice.base_url,
                secrets=secrets_of(choice.spec, form),
                weight=form.weight,
                models=form.available_models,
                excluded_models=form.exclude_models,
                environment=form.environment,
            )
            try:
                credential = add_credential(change, state.vault, caller.organization_id, new)
            except CredentialExists as error:
                raise InvalidRequest(f"{error}.", param="name") from None
            return shown_item(change.connection, state.vault, credential), change.version

    item, version = await state.ask_control(add)
    answer = json_answer(item)
    answer.status_code = 201
    return await tell_when_live(answer, state.board, version)


@router.post("/api/credentials/test", dependencies=[_MANAGERS])
@shaped(takes=CredentialForm, answers=CredentialVerdict)
async def try_new_credential(request: Request, state: State, caller: Caller) -> Response:
    """Ask a provider whether a credential works, before it is added. Nothing is stored."""
    form: CredentialForm = read_credential_form(await read_bounded(request), CredentialForm)

    def chosen(control: ControlStore) -> ProviderChoice:
        with control.reading() as connection:
            return _choose(connection, caller, form)

    choice = await state.ask_control(chosen)
    secrets = complete_secrets(choice.spec, secrets_of(choice.spec, form), None, {})
    return await _answer_verdict(state, Tried(choice.base_url, choice.spec, secrets))


@router.post("/api/credentials/{credential:path}/test", dependencies=[_MANAGERS])
@shaped(answers=CredentialVerdict)
async def try_credential(credential: str, state: State, caller: Caller) -> Response:
    """Ask the provider for what proves a credential and spends nothing, mostly its list of models."""

    def open_it(control: ControlStore) -> Tried:
        with control.reading() as connection:
            known = known_credential(connection, caller, credential)
            spec = specs_of(connection, caller.organization_id)[known.provider_id]
            sealed = sealed_secrets(connection, caller.organization_id).get(known.id, {})
        try:
            kept = {name: state.vault.open(value, known.place(name)) for name, value in sealed.items()}
            secrets = complete_secrets(spec, kept, known.source, state.outside.environ)
        except SealBroken as error:
            return Tried(known.base_url, spec, f"its secret does not open: {error}")
        except CredentialUnusable as error:
            return Tried(known.base_url, spec, str(error))
        return Tried(known.base_url, spec, secrets)

    return await _answer_verdict(state, await state.ask_control(open_it))


@router.post("/api/credentials/{credential:path}/home", dependencies=[_MANAGERS])
@shaped(answers=CredentialItem)
async def choose_home(credential: str, state: State, caller: Caller) -> Response:
    """Let files, batches, agents and the like live with this credential's account, of all at its provider."""

    def choose(control: ControlStore) -> tuple[CredentialItem, int]:
        with control.changing() as change:
            known = known_credential(change.connection, caller, credential)
            if known.platform:
                raise InvalidRequest("A credential that serves every organization is nobody's home.")
            make_home(change, known)
            chosen = known_credential(change.connection, caller, known.id)
            return shown_item(change.connection, state.vault, chosen), change.version

    item, version = await state.ask_control(choose)
    return await tell_when_live(json_answer(item), state.board, version)


@router.put("/api/credentials/{credential:path}", dependencies=[_MANAGERS])
@shaped(takes=SecretsForm, answers=CredentialItem)
async def replace_secrets(credential: str, request: Request, state: State, caller: Caller) -> Response:
    """Give a credential other secrets in the place of all it has. What it serves, and its name, stay."""
    form: SecretsForm = read_credential_form(await read_bounded(request), SecretsForm)

    def put(control: ControlStore) -> tuple[CredentialItem, int]:
        with control.changing() as change:
            known = _of_hand(known_credential(change.connection, caller, credential))
            spec = specs_of(change.connection, caller.organization_id)[known.provider_id]
            address = address_of(form)
            try:
                base_url = known.base_url if address is None else check_base_url(address, spec.root)
            except ChoiceError as error:
                raise InvalidRequest(f"{error}.", param="base_url") from None
            change_credential(change, state.vault, known, base_url, secrets_of(spec, form))
            changed = known_credential(change.connection, caller, known.id)
            return shown_item(change.connection, state.vault, changed), change.version

    item, version = await state.ask_control(put)
    return await tell_when_live(json_answer(item), state.board, version)


@router.delete("/api/credentials/{credential:path}", dependencies=[_MANAGERS])
@shaped(answers=RemovedCredential)
async def remove_credential(credential: str, state: State, caller: Caller) -> Response:
    """Remove a credential, and say which routing rules name it in vain now."""
    world = catalogue_world(load_catalog().values())

    def said(connection: Connection) -> tuple[str, ...]:
        current = current_rules(connection, caller.organization_id)
        return check_rules(connection, caller.organization_id, world, current).warnings

    def remove(control: ControlStore) -> tuple[RemovedCredential, int]:
        with control.changing() as change:
            known = _of_hand(known_credential(change.connection, caller, credential))
            before = said(change.connection)
            remove_credentials(change, [known])
            remove_unused_providers(change)
            named = tuple(words for words in said(change.connection) if words not in before)
            return RemovedCredential(named), change.version

    removed, version = await state.ask_control(remove)
    return await tell_when_live(json_answer(removed), state.board, version)


def _choose(connection: Connection, caller: Caller, form: CredentialForm) -> ProviderChoice:
    customs = custom_providers_of(connection, caller.organization_id)
    try:
        return choose_provider(form.provider_id, address_of(form), load_catalog(), customs)
    except ChoiceError as error:
        raise InvalidRequest(f"{error}.", param="provider_id") from None


def _of_hand(credential: Credential) -> Credential:
    """Return a credential that a person added. Raises Forbidden."""
    if credential.declared_by is not None:
        raise Forbidden(
            f"{credential.provider_id}/{credential.name} is declared by {credential.declared_by}; change it there."
        )
    return credential


async def _answer_verdict(state: ConsoleState, tried: Tried) -> Response:
    base_url, spec, secrets = tried

    def ask(outside: Outside) -> Verdict:
        if isinstance(secrets, str):
            return Verdict(False, secrets)
        return probe(base_url, spec, secrets, outside.ca_bundle)

    return json_answer(CredentialVerdict(*await state.ask_outside(ask)))
