"""The vault: secrets of credentials, sealed for one place. A value copied to another row or field does not open."""

from msgspec import Struct

from gantry.core.sealing import Sealer
from gantry.core.secret import Secret


class Place(Struct, frozen=True):
    """Where a secret belongs. None of the parts holds a `|`: they are ids and field names."""

    organization_id: str
    provider_id: str
    credential_id: str
    field: str

    def to_bytes(self) -> bytes:
        return f"{self.organization_id}|{self.provider_id}|{self.credential_id}|{self.field}".encode()


class Vault:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, secret: Secret, place: Place) -> bytes:
        return self._sealer.seal(secret.reveal().encode(), place.to_bytes())

    def is_current(self, sealed: bytes) -> bool:
        """Say whether a secret was sealed by the key that seals now."""
        return self._sealer.is_current(sealed)

    def open(self, sealed: bytes, place: Place) -> Secret:
        """Return the secret. Raises SealBroken."""
        return Secret(self._sealer.open(sealed, place.to_bytes()).decode())
