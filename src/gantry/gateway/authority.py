"""What a request shows of its credential where that is not the same each time: a signature, or a token bought for it.

Law: a secret goes to the host it was stored for, and a service account's to nobody: it signs. Tokens are bought by the
worker, once for all who wait, and again before they end; a call that finds none waits for it. Each who waits hears
once, whatever becomes of the others.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

from gantry.core.errors import GatewayError, InternalError, InvalidRequest, NoCredential, UpstreamBroke
from gantry.dial.origin import parse_base_url
from gantry.dial.pool import Dialler
from gantry.gateway.fetch import Fetch, Fetched
from gantry.gateway.state import Account, Departure, TokenDesk, WorkerState
from gantry.gateway.waits import Awaited, Waiting
from gantry.providers.google_tokens import (
    TOKEN_FORM_TYPE,
    AccessToken,
    ServiceAccount,
    ServiceAccountError,
    read_service_account,
    read_token,
    sign_assertion,
    token_form,
)
from gantry.providers.sigv4 import AwsCredential, SigningScope, UnsignedRequest, sign
from gantry.providers.spec import AuthScheme
from gantry.routing.plan import Attempt

logger = logging.getLogger(__name__)

_PATIENCE: Final = 15.0
_AHEAD: Final = 300.0  # seconds before its end a token is replaced, while it still serves
_PAUSE: Final = 10.0  # seconds between two purchases that nobody waits for, where the first brought no better token
_SHORTEST: Final = 1.0  # seconds: with a token that ends sooner, whoever waited for it would only wait again
_MAX_ACCOUNTS: Final = 1000
_LONGEST_KEY: Final = 16 * 1024  # characters; Google's have 2,400, and those of callers are held, too
_SIGV4, _GOOGLE = AuthScheme.SIGV4, AuthScheme.GOOGLE


class TokenNeeded(Awaited):
    """The call has to wait for a token of its credential."""

    def __init__(self, account: Account, desk: TokenDesk) -> None:
        super().__init__("a token of the credential", partial(desk.wait, account))
        self.account = account


class AccountTokens:
    """The access tokens of service accounts, by their JSON keys."""

    __slots__ = ("_clock", "_desks", "_state")

    def __init__(self, state: WorkerState, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._desks: dict[tuple[bytes, bool], _Desk] = {}

    def token(self, account: Account) -> str:
        """Return a token that is valid now. Raises TokenNeeded when there is none yet, and GatewayError."""
        desk = self._desk(account)
        token = desk.token
        now = self._clock()
        if token is None or token.expires_at <= now:
            raise TokenNeeded(account, self)
        if token.expires_at - now < _AHEAD:
            desk.renew(now)
        return token.token.reveal()

    def wait(self, account: Account, waiting: Waiting) -> None:
        """Call `waiting` once there is a token, or with the error why there is none; perhaps before this returns."""
        desk = self._desk(account)
        desk.waiting.append(waiting)
        desk.buy()

    def _desk(self, account: Account) -> "_Desk":
        if len(account.key.reveal()) > _LONGEST_KEY:
            raise _unusable(account, f"its key is longer than {_LONGEST_KEY} characters")
        name = sha256(account.key.reveal().encode()).digest(), account.is_callers
        desk = self._desks.get(name)
        if desk is None:
            if len(self._desks) >= _MAX_ACCOUNTS:  # callers bring accounts of their own, so they must not add up
                self._desks = {name: kept for name, kept in self._desks.items() if not kept.is_callers}
            desk = self._desks[name] = _Desk(self._state, account, self._clock)
        return desk


class _Desk:
    __slots__ = ("_account", "_buying", "_clock", "_renewable_at", "_state", "is_callers", "token", "waiting")

    def __init__(self, state: WorkerState, account: Account, clock: Callable[[], float]) -> None:
        self._state = state
        self._account = account
        self.is_callers = account.is_callers
        self._clock = clock
        self._buying = False
        self._renewable_at = 0.0
        self.token: AccessToken | None = None
        self.waiting: list[Waiting] = []

    def renew(self, now: float) -> None:
        """Buy a token while there is one; not for each call anew where that fails, or brings one that soon ends."""
        if now >= self._renewable_at:
            self._renewable_at = now + _PAUSE
            self.buy()

    def buy(self) -> None:
        if self._buying:
            return
        self._buying = True
        try:
            account = read_service_account(self._account.key.reveal())
            form = token_form(sign_assertion(account, self._clock()))
            departure = _token_endpoint(account, self._state.dialler, private=not self._account.is_callers)
        except (ServiceAccountError, ValueError) as error:
            self._done(_unusable(self._account, str(error)))
            return
        except GatewayError as error:
            self._done(error)
            return
        Fetch(self._state, departure, _PATIENCE, self._on_fetched, form, TOKEN_FORM_TYPE).start()

    def _on_fetched(self, fetched: Fetched) -> None:
        if fetched.error is not None:
            self._done(fetched.error)
            return
        now = self._clock()
        try:
            token = read_token(fetched.body, now)
        except ServiceAccountError as error:
            self._done(UpstreamBroke(str(error)))
            return
        if token.expires_at - now < _SHORTEST:
            self._done(UpstreamBroke("the token that was bought for the service account ends at once"))
            return
        self.token = token
        self._done(None)

    def _done(self, error: GatewayError | None) -> None:
        self._buying = False
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            try:
                one(error)
            except Exception:  # the boundary of a call: its fault must not be that of others who wait
                logger.exception("a call failed inside the gateway")
                one(InternalError("a fault inside the gateway; its log has the details"))


def _unusable(account: Account, why: str) -> GatewayError:
    words = f"the service account cannot be used: {why}"
    return InvalidRequest(words) if account.is_callers else NoCredential(words)


def _token_endpoint(account: ServiceAccount, dialler: Dialler, *, private: bool) -> Departure:
    """Return where tokens are bought: the account's own endpoint, on loopback only where the operator stored it.

    Raises ServiceAccountError, ValueError.
    """
    on_loopback = account.token_uri.startswith("http://")
    if on_loopback and not private:
        raise ServiceAccountError("`token_uri` of the service account's key must begin with https://")
    base = parse_base_url(account.token_uri, private=on_loopback)
    lines = f"host: {base.origin.authority}\r\n"
    return Departure(f"POST {base.path}".encode(), lines.encode(), dialler.pool(base.origin))


def shows_itself(attempt: Attempt) -> bool:
    """Say whether the credential's header lines are the same for every request."""
    return attempt.route.provider.auth.scheme not in (_SIGV4, _GOOGLE)


def authority_lines(desk: TokenDesk, attempt: Attempt, departure_target: bytes, host: str, body: bytes | None) -> bytes:
    """Return the header lines that prove a request, whose body is None where it follows as it comes.

    Raises TokenNeeded, NoCredential, and InvalidRequest where the body would have to be signed and is not here.
    """
    auth, secrets = attempt.route.provider.auth, attempt.credential.secrets
    match auth.scheme:
        case AuthScheme.GOOGLE:
            account = Account(secrets[auth.field], attempt.callers_credential)
            return f"authorization: Bearer {desk.token(account)}\r\n".encode()
        case AuthScheme.SIGV4:
            bearer = secrets.get(auth.field)
            if bearer is not None and bearer.reveal():
                return f"authorization: Bearer {bearer.reveal()}\r\n".encode()
            if body is None:
                name = attempt.route.provider.name
                raise InvalidRequest(f"what goes to {name} is signed with its body, so it has to be sent as JSON")
            return _sign(attempt, departure_target, host, body)
        case AuthScheme.BEARER | AuthScheme.HEADER:
            raise InternalError(f"the scheme {auth.scheme} needs no proof")


def _sign(attempt: Attempt, target: bytes, host: str, body: bytes) -> bytes:
    auth, secrets = attempt.route.provider.auth, attempt.credential.secrets
    access, secret = secrets.get("aws_access_key_id"), secrets.get("aws_secret_access_key")
    if access is None or secret is None or not access.reveal() or not secret.reveal():
        raise NoCredential(f"the credential for {attempt.route.provider.name} has neither an API key nor an access key")
    session = secrets.get("aws_session_token")
    method, _, path = target.decode("ascii").partition(" ")
    request = UnsignedRequest(method, host, path, body_hash=sha256(body).hexdigest())
    scope = SigningScope(secrets[auth.region].reveal(), auth.service)
    credential = AwsCredential(access.reveal(), secret, session if session is not None and session.reveal() else None)
    return "".join(f"{name}: {value}\r\n" for name, value in sign(request, scope, credential, time.time())).encode()
