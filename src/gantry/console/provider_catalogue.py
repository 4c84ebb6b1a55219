"""The providers there can be credentials for: those of the catalogue, and the organization's own.

`GET /api/providers` is Respan's, and knows the organization's own alone.
"""

from fastapi import Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.credential_fields import specs_of
from gantry.console.request_logs import json_answer
from gantry.console.shapes import shaped
from gantry.core.vocabulary import Dialect, Scope
from gantry.providers.spec import AuthScheme, ProviderSpec, load_catalog
from gantry.store.control import ControlStore

router = guarded_router("providers")


class CredentialInput(Struct, frozen=True):
    """One input of a provider's credential. `json`: the whole content of a file. `address`: the base URL itself."""

    name: str
    label: str
    secret: bool
    required: bool
    default: str
    json: bool
    address: bool


class ProviderCard(Struct, frozen=True, kw_only=True):
    """A provider, and what it takes to have a credential for it.

    `either` are sets of fields, one of which must be whole; `environment` are variables whose key is taken at a start.
    `prefix` stands in front of its models. `testable`: whether a key can be tried for free.
    """

    provider_id: str
    provider_name: str
    prefix: str
    base_url: str
    needs_base_url: bool
    is_custom: bool
    dialects: list[Dialect]
    environment: tuple[str, ...]
    credential_fields: list[CredentialInput]
    either: tuple[tuple[str, ...], ...]
    testable: bool


@router.get("/api/providers/catalogue", dependencies=[requires(Scope.READ)])
@shaped(answers=list[ProviderCard])
async def list_catalogue(state: State, caller: Caller) -> Response:
    """List every provider there can be credentials for, with the fields of a credential."""

    def listed(control: ControlStore) -> list[ProviderSpec]:
        with control.reading() as connection:
            return list(specs_of(connection, caller.organization_id).values())

    known = load_catalog()
    found = await state.ask_control(listed)
    cards = [provider_card(spec, is_custom=spec.id not in known) for spec in found]
    return json_answer(sorted(cards, key=lambda card: card.provider_name.lower()))


def provider_card(spec: ProviderSpec, *, is_custom: bool) -> ProviderCard:
    return ProviderCard(
        provider_id=spec.id,
        provider_name=spec.name,
        prefix=spec.prefixes[0] if spec.prefixes else spec.id,
        base_url=spec.base_url,
        needs_base_url=not spec.base_url,
        is_custom=is_custom,
        dialects=list(spec.paths),
        environment=spec.environment,
        credential_fields=[
            CredentialInput(item.name, item.label, item.secret, item.required, item.default, item.json, item.address)
            for item in spec.fields
        ],
        either=spec.either,
        testable=bool(spec.probe) or spec.auth.scheme is AuthScheme.GOOGLE,
    )
