"""How one delivery reaches its channel: its words, its signature, and the way there.

Law: a URL that the operator named (by command or in gantry.toml) may lead to private addresses, one that came by API
may not: whoever holds a key with the scope `manage` need not be whoever runs the machine. A secret goes to the channel
that it is sealed for, and what failed is told without path, query or answer.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.message import mail_text, plain_headers, read_payload, slack_body, webhook_headers
from gantry.clerk.post import PostFailed, post
from gantry.core.alert import Event
from gantry.core.log_item import full_item_of
from gantry.core.request_log import RequestLog
from gantry.dial.mail import MailFailed, MailServer, compose, send
from gantry.dial.pool import Dialler
from gantry.dial.webhook_url import parse_webhook_url
from gantry.store.alert_channels import Channel, ChannelKind, ChannelUnusable, addresses_in, open_target
from gantry.store.alerts import Delivery
from gantry.store.vault import Vault

SECONDS: Final = 10.0  # for a receiver to answer
_MAIL_SECONDS: Final = 20.0

FindLog = Callable[[str, str], RequestLog | None]  # by organization and id


class DeliveryFailed(Exception):
    """It did not arrive; the message says why, for a person."""


class Courier:
    """For the loop that delivers."""

    def __init__(
        self,
        book: AlertBook,
        vault: Vault,
        environ: Mapping[str, str],
        dialler: Dialler,
        mail_server: MailServer | None,
        find_log: FindLog,
        clock: Callable[[], int],
        *,
        seconds: float = SECONDS,
    ) -> None:
        self._book = book
        self._vault = vault
        self._environ = environ
        self._dialler = dialler
        self._tls: ssl.SSLContext = dialler.tls
        self._mail_server = mail_server
        self._find_log = find_log
        self._clock = clock
        self._seconds = seconds

    async def deliver(self, channel: Channel, delivery: Delivery) -> None:
        """Bring a delivery to its channel, and return once it was taken. Raises DeliveryFailed."""
        try:
            if channel.kind is ChannelKind.EMAIL:
                await self._mail(channel, delivery)
            else:
                await self._post(channel, delivery)
        except (PostFailed, MailFailed, ChannelUnusable, ValueError) as error:
            raise DeliveryFailed(str(error)) from None

    async def _post(self, channel: Channel, delivery: Delivery) -> None:
        opened = open_target(channel, self._book.sealed(channel.id), self._vault, self._environ)
        url = parse_webhook_url(opened.url.reveal(), private=opened.private)
        if channel.kind is ChannelKind.SLACK:
            headers, body = plain_headers(), slack_body(delivery.payload)
        else:
            body = self._body_of(delivery)
            now = self._clock() // 1_000_000_000
            headers = webhook_headers(delivery.event, delivery.id, body, opened.secret, now)
        await post(self._dialler, url, headers, body, self._seconds)

    def _body_of(self, delivery: Delivery) -> bytes:
        if delivery.event != Event.REQUEST_LOG:
            return delivery.payload.encode()
        log = self._find_log(delivery.organization_id, delivery.payload)
        if log is None:
            raise DeliveryFailed("the log was deleted before it was delivered")
        return msgspec.json.encode(full_item_of(log))

    async def _mail(self, channel: Channel, delivery: Delivery) -> None:
        server = self._mail_server
        if server is None:
            raise DeliveryFailed("no mail server is configured: set smtp_url and smtp_from")
        subject, text = mail_text(delivery.payload)
        message_id = str(read_payload(delivery.payload)["id"])
        mail = compose(server.sender, addresses_in(channel.target), subject, text, message_id)
        await asyncio.to_thread(send, server, mail, self._tls, _MAIL_SECONDS)
