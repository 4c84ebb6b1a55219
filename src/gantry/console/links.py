"""Links into the console that stand for something: to claim it, to set a password, to accept an invitation."""

from urllib.parse import quote

from gantry.core.sign_in_tokens import Reset, reset_token, setup_token
from gantry.store import Connection
from gantry.store.control import default_organization
from gantry.store.people import Person, is_claimed, password_of


def claim_link(connection: Connection, key: bytes, url: str) -> str | None:
    """Return where the first person claims the console; None when somebody has."""
    if is_claimed(connection):
        return None
    return link(url, "claim", setup_token(key, default_organization(connection)))


def reset_link(connection: Connection, key: bytes, url: str, person: Person, until: int) -> str:
    """Return where a person sets a password, once, until a moment (ns since the epoch)."""
    return link(url, "reset", reset_token(key, Reset(person.id, until), password_of(connection, person.id)))


def link(url: str, page: str, token: str) -> str:
    return f"{url.rstrip('/')}/ui/{page}?token={quote(token, safe='')}"
