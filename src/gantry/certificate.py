"""The certificate that clients see: a pair of PEM files, checked when it is loaded, and taken up again when it changes.

Law: TLS 1.2 or newer, HTTP/1.1 by ALPN. A pair is used whole or not at all: it is loaded into a context of its own, and
each handshake is given the newest context that loaded. (Loading it into the context in use would leave a new
certificate with an old key there when the second file does not fit.)
"""

import ssl
from pathlib import Path
from typing import NoReturn

_PROTOCOLS = ["http/1.1"]


class CertificateError(Exception):
    """A pair cannot be used; the message names the file and says why."""


class ServerCertificate:
    """The pair in use. Raises CertificateError when the first one cannot be loaded."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamp = self._look()
        self.context = self._newest = load_pair(certificate, key)
        self.context.sni_callback = self._give_newest

    def renew(self) -> bool:
        """Load the pair again if its files changed; return whether. Raises CertificateError, once for each change."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._newest = load_pair(*self._files)
        return True

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp_of, self._files))

    def _give_newest(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
    ) -> None:
        connection.context = self._newest


def load_pair(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context for a pair. Raises CertificateError."""
    for path, content in ((certificate, b"-----BEGIN CERTIFICATE-----"), (key, b"PRIVATE KEY-----")):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{path} cannot be read: {error.strerror}") from error
        if content not in text:
            raise CertificateError(f"{path} holds no {'certificate' if path is certificate else 'private key'} in PEM")

    def refuse_passphrase() -> NoReturn:
        raise CertificateError(f"{key} is encrypted; give a key without a passphrase, readable by its owner only")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOLS)
    try:
        context.load_cert_chain(certificate, key, password=refuse_passphrase)
    except OSError as error:  # of TLS, or a file that went meanwhile
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        if reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(f"{key} is not the key of the certificate in {certificate}") from error
        raise CertificateError(f"{certificate} and {key} cannot be used: {reason or error}") from error
    return context


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None while it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
