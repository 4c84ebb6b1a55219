"""E-mail that the console sends itself, at once: whoever waits for it is a person, and has the link beside it."""

import asyncio
import logging
import ssl
from typing import Final

from gantry.dial.mail import MailFailed, MailServer, compose, read_mail_server, send
from gantry.settings import ServeSettings

_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class Mailbox:
    def __init__(self, server: MailServer, context: ssl.SSLContext) -> None:
        self._server: Final = server
        self._context: Final = context

    async def send(self, recipient: str, subject: str, text: str, message_id: str) -> bool:
        """Send an e-mail, and say whether it was taken."""
        mail = compose(self._server.sender, [recipient], subject, text, message_id)
        try:
            await asyncio.to_thread(send, self._server, mail, self._context, _SECONDS)
        except MailFailed as error:
            logger.warning("an invitation was not mailed: %s", error)
            return False
        return True


def mailbox_of(settings: ServeSettings) -> Mailbox | None:
    """Return the mailbox that is configured; None where none is, or it cannot be read, as the clerk says then."""
    if settings.smtp_url is None:
        return None
    try:
        server = read_mail_server(settings.smtp_url, settings.smtp_from)
    except ValueError:
        return None
    return Mailbox(server, ssl.create_default_context(cafile=settings.ca_bundle))
