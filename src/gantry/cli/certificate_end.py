"""What `gantry doctor` says of the certificate that clients see: whether the next start takes it, and when it ends.

Law: it reads the files, and not what the gateway serves: a pair that cannot be used goes on in there, until a restart.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from gantry.certificate import CertificateError, load_pair
from gantry.cli.finding import Finding, fail, ok, warn

_SOON: Final = timedelta(days=14)  # what renews certificates does so a month before their end
_SUBJECT: Final = "certificate"


def look_at_certificate(certificate: Path, key: Path, now: datetime) -> Finding:
    """Judge a pair as it is in its files."""
    try:
        load_pair(certificate, key)
        served, *_ = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (CertificateError, OSError, ValueError) as error:
        return fail(_SUBJECT, str(error), "Mend it before the next start, which refuses it.")
    end = served.not_valid_after_utc
    day = f"{end:%Y-%m-%d %H:%M} UTC"
    if end <= now:
        return fail(_SUBJECT, f"{certificate} has expired, {day}", "Renew it; no restart is needed.")
    if end - now < _SOON:
        return warn(_SUBJECT, f"{certificate} holds until {day}", "See that what renews it does.")
    return ok(_SUBJECT, f"{certificate} holds until {day}")
