"""Stored credentials: listed, and changed in what they serve. No secret is shown, but for its last characters.

Law: a change takes the scope `manage`. Its answer comes when the workers of this machine route by it, or says by
`x-gantry-live: no` that they do not yet. What is declared elsewhere is changed there.
"""

from typing import Final

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.credential_fields import shown_item, shown_items
from gantry.console.credential_service import CredentialItem, ServiceForm, read_form, serve_by_form
from gantry.console.live import tell_when_live
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
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

_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("credentials")


@router.get("/api/credentials", dependencies=[_READERS])
@shaped(answers=list[CredentialItem])
async def list_credentials(state: State, caller: Caller) -> Response:
    """List the stored credentials, without their secrets."""

    def listed(control: ControlStore) -> list[CredentialItem]:
        with control.reading() as connection:
            return shown_items(connection, state.vault, credentials_of(connection, caller.organization_id))

    return json_answer(await state.ask_control(listed))


@router.get("/api/credentials/{credential:path}", dependencies=[_READERS])
@shaped(answers=CredentialItem)
async def show_credential(credential: str, state: State, caller: Caller) -> Response:
    """Show a credential, named by its id or as PROVIDER/NAME."""

    def find(control: ControlStore) -> CredentialItem:
        with control.reading() as connection:
            return shown_item(connection, state.vault, known_credential(connection, caller, credential))

    return json_answer(await state.ask_control(find))


@router.patch("/api/credentials/{credential:path}", dependencies=[_MANAGERS])
@shaped(takes=ServiceForm, answers=CredentialItem)
async def change_credential(credential: str, request: Request, state: State, caller: Caller) -> Response:
    """Change what a credential serves: its weight (0 drains it), models, excluded models, environment."""
    form = read_form(await read_bounded(request))

    def put(control: ControlStore) -> tuple[CredentialItem, int]:
        with control.changing() as change:
            changed = serve_by_form(change, known_credential(change.connection, caller, credential), form)
            return shown_item(change.connection, state.vault, changed), change.version

    item, version = await state.ask_control(put)
    return await tell_when_live(json_answer(item), state.board, version)


def known_credential(connection: Connection, caller: Caller, name: str) -> Credential:
    """Return a credential of the caller's organization. Raises NotFound."""
    try:
        return find_credential(connection, caller.organization_id, name)
    except CredentialNotFound as error:
        raise NotFound(f"Credential not found: {error}.") from None
