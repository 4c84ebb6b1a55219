"""The values of a LiteLLM configuration: what stands in variables (`os.environ/NAME`), and addresses. Pure.

Law: a secret in the environment stays there; its variable's name is kept, never its value. What is no secret, an
address or a region, is read from the environment of the import. What the configuration itself says of variables
(`environment_variables`) stands in it like anything else.
"""

from collections.abc import Mapping
from typing import Any, Final

from gantry.core.secret import Secret

_VARIABLE: Final = "os.environ/"
_EVERY_ADDRESS: Final = "://0.0.0.0"  # which a server listens on and nobody calls; people mean the machine they are at
_THIS_MACHINE: Final = "://127.0.0.1"
_ADDRESSES: Final = ("api_base", "base_url", "aws_bedrock_runtime_endpoint")


class Values:
    """What the values of a document mean, with the variables that it and the environment have."""

    def __init__(self, document: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        own = document.get("environment_variables")
        self._own = {str(name): str(value) for name, value in own.items()} if isinstance(own, dict) else {}
        self._environ = environ

    def secret(self, value: Any) -> tuple[Secret | None, str | None]:
        """Return a key, or the variable that holds one."""
        if value in (None, ""):
            return None, None
        variable = variable_in(value)
        if variable is None:
            return Secret(str(value)), None
        return (Secret(self._own[variable]), None) if variable in self._own else (None, variable)

    def text(self, value: Any, *, secret: bool = False) -> str | None:
        """Return a value's text; None where it stands in a variable that is not set, or is not to be read."""
        variable = variable_in(value)
        if variable is None:
            return str(value)
        found = self._own.get(variable) or ("" if secret else self._environ.get(variable, ""))
        return found or None

    def first_set(self, variables: tuple[str, ...]) -> str:
        """Return the first variable that is set here, or else the first."""
        return next((one for one in variables if self._environ.get(one)), variables[0])


def variable_in(value: Any) -> str | None:
    """Return the variable that a value stands in; None for what is written out."""
    return value.removeprefix(_VARIABLE) if isinstance(value, str) and value.startswith(_VARIABLE) else None


def address_in(params: Mapping[str, Any]) -> tuple[Any, str]:
    """Return where a deployment is called, as it is written, and the member that says so; None if none does."""
    return next(((params[name], name) for name in _ADDRESSES if params.get(name)), (None, _ADDRESSES[0]))


def callable_address(address: str) -> str:
    """Return an address as it is called."""
    return address.replace(_EVERY_ADDRESS, _THIS_MACHINE, 1)
