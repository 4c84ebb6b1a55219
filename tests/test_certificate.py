"""The certificate that clients see: what is refused and why, and how a renewed pair is taken up."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gantry.certificate import CertificateError, ServerCertificate, load_pair
from tests.dial.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shake_hands(server: ssl.SSLContext, authority: Authority, name: str | None = "gantry.test") -> ssl.SSLObject:
    """Let a client that trusts the authority shake hands with a server; return the client's side."""
    context = authority.trusting()
    context.check_hostname = name is not None
    context.set_alpn_protocols(["h2", "http/1.1"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(down, up, server_hostname=name)
    other = server.wrap_bio(up, down, server_side=True)
    waiting = [client, other]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting
    return client


def serial_of(client: ssl.SSLObject) -> object:
    certificate = client.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def write(path: Path, content: bytes, at: int) -> None:
    """Write a file, with a time that differs from that of the last writing."""
    path.write_bytes(content)
    os.utime(path, ns=(at, at))


def test_a_pair_serves_http_1_over_tls_1_2_or_newer(authority: Authority) -> None:
    pair = authority.issue("gantry.test")
    context = load_pair(pair, pair)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    client = shake_hands(context, authority)
    assert client.selected_alpn_protocol() == "http/1.1"
    assert client.version() == "TLSv1.3"


@pytest.mark.parametrize("name", ["gantry.test", None])
def test_a_renewed_pair_is_taken_up(authority: Authority, name: str | None) -> None:
    pair = authority.issue("gantry.test")
    certificate = ServerCertificate(pair, pair)
    before = serial_of(shake_hands(certificate.context, authority, name))
    assert not certificate.renew()
    write(pair, authority.issue("gantry.test", "other.test").read_bytes(), 1)
    assert serial_of(shake_hands(certificate.context, authority, name)) == before
    assert certificate.renew()
    assert serial_of(shake_hands(certificate.context, authority, name)) != before
    assert not certificate.renew()


def test_a_renewal_in_two_steps_keeps_the_old_pair_between_them(authority: Authority, tmp_path: Path) -> None:
    first, second = authority.issue("gantry.test").read_bytes(), authority.issue("gantry.test", "b").read_bytes()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    write(chain, first, 1)
    write(key, first, 1)
    certificate = ServerCertificate(chain, key)
    before = serial_of(shake_hands(certificate.context, authority))
    write(chain, second, 2)
    with pytest.raises(CertificateError, match="is not the key of"):
        certificate.renew()
    assert not certificate.renew()  # said once
    assert serial_of(shake_hands(certificate.context, authority)) == before
    write(key, second, 2)
    assert certificate.renew()
    assert serial_of(shake_hands(certificate.context, authority)) != before


def test_files_that_are_gone_leave_the_old_pair(authority: Authority) -> None:
    pair = authority.issue("gantry.test")
    certificate = ServerCertificate(pair, pair)
    pair.unlink()
    with pytest.raises(CertificateError, match="No such file"):
        certificate.renew()
    assert not certificate.renew()
    shake_hands(certificate.context, authority)


def encrypted_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        (b"", None, "chain.pem holds no certificate"),
        (None, b"", "key.pem holds no private key"),
        (None, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
        (None, encrypted_key(), "key.pem is encrypted"),
    ],
    ids=["no certificate", "no key", "a broken key", "a passphrase"],
)
def test_a_file_that_cannot_be_used_is_named(
    authority: Authority, tmp_path: Path, certificate: bytes | None, key: bytes | None, reason: str
) -> None:
    good = authority.issue("gantry.test").read_bytes()
    (tmp_path / "chain.pem").write_bytes(good if certificate is None else certificate)
    (tmp_path / "key.pem").write_bytes(good if key is None else key)
    with pytest.raises(CertificateError, match=reason):
        load_pair(tmp_path / "chain.pem", tmp_path / "key.pem")


def test_a_file_that_cannot_be_read_is_named(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"none\.pem cannot be read: No such file"):
        load_pair(authority.issue("gantry.test"), tmp_path / "none.pem")
    with pytest.raises(CertificateError, match="cannot be read: Is a directory"):
        load_pair(tmp_path, tmp_path)
