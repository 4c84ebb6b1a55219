"""How people come in: by which address, over which scheme, who may sign up, and what keeps their sessions.

Law: a cookie that a page elsewhere could set or read is none of ours: over https its name begins with `__Host-`, which
browsers bind to this host, and it is never sent in the clear. It is out of scripts' reach either way, and no other
site's requests carry it but for a link that is followed.
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from gantry.console.identity_provider import IdentityProvider
from gantry.console.known_hosts import KnownHosts
from gantry.console.mailbox import Mailbox
from gantry.console.passwords import Passwords
from gantry.core.errors import Forbidden
from gantry.core.sealing import NONCE_BYTES, Sealer, derive_key
from gantry.core.sign_in_tokens import bytes_of
from gantry.settings import SignUp
from gantry.store.invitations import Invitation
from gantry.store.sessions import LONGEST

_COOKIE: Final = "gantry_session"
_ADDRESS: Final = "x-gantry-client-address"
_OURS: Final = frozenset(("same-origin", "none"))  # Sec-Fetch-Site; "none" is what a person typed


class Entrance:
    """What signing in goes by. `key` is the home's session key; `url` is where browsers find us, if that is known."""

    def __init__(
        self,
        key: bytes,
        *,
        url: str | None = None,
        secure: bool = False,
        sign_up: SignUp = SignUp.INVITE,
        passwords: Passwords | None = None,
        mail: Mailbox | None = None,
        providers: Iterable[IdentityProvider] = (),
        hosts: KnownHosts | None = None,
    ) -> None:
        self.key: Final = key
        self.url: Final = None if url is None else url.rstrip("/")
        self.secure: Final = secure or (url is not None and url.startswith("https://"))
        self.sign_up: Final = sign_up
        self.passwords: Final = passwords or Passwords()
        self.mail: Final = mail
        self.hosts: Final = hosts or KnownHosts(public_url=url)
        self.providers: Final[Mapping[str, IdentityProvider]] = {one.settings.id: one for one in providers}
        self.sealer: Final = Sealer(derive_key(key, "oidc"), nonce=lambda: secrets.token_bytes(NONCE_BYTES))
        self.cookie: Final = f"__Host-{_COOKIE}" if self.secure else _COOKIE

    async def mail_invitation(self, invitation: Invitation, link: str) -> bool:
        """Send somebody the link of their invitation, and say whether the mail server took it."""
        if self.mail is None:
            return False
        subject = f"{invitation.invited_by} invites you to {invitation.organization_name} on Gantry"
        text = (
            f"{subject}, as {invitation.role}.\n\n{link}\n\n"
            "The link works once, for seven days. If you do not know them, do nothing.\n"
        )
        return await self.mail.send(invitation.email, subject, text, invitation.id)

    def set_cookie(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.cookie,
            token,
            max_age=LONGEST // 1_000_000_000,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="lax")

    def unsealed(self, text: str, place: bytes) -> bytes:
        """Return what a cookie of ours holds. Raises SealBroken, and ValueError for what is none."""
        return self.sealer.open(bytes_of(text), place)

    def check_host(self, request: Request) -> None:
        """Raise Forbidden for a request that calls us by a name that may be somebody else's."""
        host = request.headers.get("host", "")
        if not self.hosts.knows(host):
            raise Forbidden(
                f"The console does not answer to the name {host!r}. Where it is yours, say so: `public_url` is where "
                "browsers find the console, `allowed_hosts` are further names. An API key is not asked for one."
            )

    def check_site(self, request: Request) -> None:
        """Raise Forbidden for a request that another site's page makes, as far as the browser says."""
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is not None and site not in _OURS:
            raise Forbidden("This request comes from a page of another site.")
        if origin is not None and not self._is_ours(origin, request.headers.get("host", "")):
            raise Forbidden(
                "This request comes from a page of another site. Behind a proxy, let `Host` through, or set public_url."
            )

    def _is_ours(self, origin: str, host: str) -> bool:
        if self.url is not None and origin == origin_of(self.url):
            return True
        return origin.lower().partition("://")[2] == host.lower() != ""  # an origin has no path


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def address_of(request: Request) -> str:
    """Return the address a request came from, which the gateway in front of us tells."""
    return request.headers.get(_ADDRESS, "")
