"""The accounts of one provider, by key. Keys with a common prefix up to the first `--` are keys of one account."""

from collections.abc import Callable
from typing import Generic, TypeVar

_Account = TypeVar("_Account")
_CAPACITY = 256
_SAME_ACCOUNT = "--"


class Accounts(Generic[_Account]):
    """Accounts are made when their key first comes in; the oldest is dropped first."""

    def __init__(self, make: Callable[[str], _Account]) -> None:
        self._make = make
        self._accounts: dict[str, _Account] = {}

    def of(self, key: str) -> _Account:
        name = key.partition(_SAME_ACCOUNT)[0]
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = self._make(name)
            if len(self._accounts) > _CAPACITY:
                del self._accounts[next(iter(self._accounts))]
        return account
