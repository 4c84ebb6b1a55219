"""Stored credentials: listed, and changed in what they serve. Secrets are neither shown nor taken here.

Law: a change takes the scope `manage`. Its answer comes when the workers of this machine route by it, or says by
`x-gantry-live: no` that they do not yet. What is declared elsewhere is changed there.
"""

from typing import Final

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.credential_service import credential_item, read_form, serve_by_form
from gantry.console.live import tell_when_live
from gantry.console.request_logs import json_answer, read_bounded
from gantry.core.errors import NotFound
from gantry.core.vocabulary import Scope
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.credentials import (
    Credential,
    CredentialNotFound,
    credentials_of,
    find_credential,
)
from gantry.store.keys import ApiKey

_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("credentials")


@router.get("/api/credentials", dependencies=[_READERS])
async def list_credentials(state: State, caller: Caller) -> Response:
    """List the stored credentials, without their secrets."""

    def listed(control: ControlStore) -> list[Credential]:
        with control.reading() as connection:
            return credentials_of(connection, caller.organization_id)

    return json_answer([credential_item(credential) for credential in await state.ask_control(listed)])


@router.get("/api/credentials/{credential:path}", dependencies=[_READERS])
async def show_credential(credential: str, state: State, caller: Caller) -> Response:
    """Show a credential, named by its id or as PROVIDER/NAME."""

    def find(control: ControlStore) -> Credential:
        with control.reading() as connection:
            return _known(connection, caller, credential)

    return json_answer(credential_item(await state.ask_control(find)))


@router.patch("/api/credentials/{credential:path}", dependencies=[_MANAGERS])
async def change_credential(credential: str, request: Request, state: State, caller: Caller) -> Response:
    """Change what a credential serves: its weight (0 drains it), models, excluded models, environment."""
    form = read_form(await read_bounded(request))

    def put(control: ControlStore) -> tuple[Credential, int]:
        with control.changing() as change:
            return serve_by_form(change, _known(change.connection, caller, credential), form), change.version

    changed, version = await state.ask_control(put)
    return await tell_when_live(json_answer(credential_item(changed)), state.board, version)


def _known(connection: Connection, caller: ApiKey, name: str) -> Credential:
    """Return a credential of the caller's organization. Raises NotFound."""
    try:
        return find_credential(connection, caller.organization_id, name)
    except CredentialNotFound as error:
        raise NotFound(f"Credential not found: {error}.") from None
