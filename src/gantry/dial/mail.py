"""An e-mail by SMTP: where to, in what, and sent. It blocks: for a thread.

Law: a password goes over TLS or not at all. `smtps://` speaks TLS from the first byte; `smtp://` begins it where the
server offers it (STARTTLS), and must, where there is a login.
"""

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from gantry.core.secret import Secret

_PORTS: Final = {"smtp": 587, "smtps": 465}


class MailFailed(Exception):
    """The e-mail was not taken; the message says why, and holds no secret."""


class MailServer(Struct, frozen=True):
    scheme: str
    host: str
    port: int
    user: str
    password: Secret
    sender: str


def read_mail_server(url: Secret, sender: str) -> MailServer:
    """Return the server that a URL names, with its login. Raises ValueError, whose words do not quote it."""
    try:
        parts = urlsplit(url.reveal())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("smtp_url is no URL") from None
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("smtp_url must be smtp://USER:PASSWORD@HOST:PORT, or smtps:// for TLS from the first byte")
    if "@" not in sender:
        raise ValueError("smtp_from must be the e-mail address that alerts come from")
    password = Secret(unquote(parts.password or ""))
    return MailServer(parts.scheme, host, port or _PORTS[parts.scheme], unquote(parts.username or ""), password, sender)


def compose(sender: str, recipients: Sequence[str], subject: str, text: str, message_id: str) -> EmailMessage:
    """Return an e-mail. One with the same id is the same, so a mailbox may show it once."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(subject.split())
    mail["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2].strip('<> ')}>"
    mail["Auto-Submitted"] = "auto-generated"  # so that no vacation answers it
    mail.set_content(text)
    return mail


def send(server: MailServer, mail: EmailMessage, context: ssl.SSLContext, timeout: float) -> None:
    """Hand an e-mail over. Raises MailFailed."""
    where = f"{server.host}:{server.port}"
    try:
        with _connected(server, context, timeout) as smtp:
            if server.user:
                smtp.login(server.user, server.password.reveal())
            refused = smtp.send_message(mail)
    except smtplib.SMTPAuthenticationError as error:
        raise MailFailed(f"{where} refused the login with code {error.smtp_code}") from None
    except smtplib.SMTPResponseException as error:
        raise MailFailed(f"{where} answered {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise MailFailed(f"{where} refused {', '.join(error.recipients)}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailFailed(f"{where}: {getattr(error, 'strerror', None) or error}") from None
    if refused:
        raise MailFailed(f"{where} refused {', '.join(refused)}, and took it for the others")


def _connected(server: MailServer, context: ssl.SSLContext, timeout: float) -> smtplib.SMTP:
    if server.scheme == "smtps":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
    smtp = smtplib.SMTP(server.host, server.port, timeout=timeout)
    try:
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=context)
        elif server.user:
            raise MailFailed(f"{server.host}:{server.port} offers no TLS, and the password is not sent without it")
    except BaseException:
        smtp.close()
        raise
    return smtp
