"""The console of tests/console, for what is asked of it here."""

from tests.console.conftest import client as client
from tests.console.conftest import control as control
from tests.console.conftest import home as home
from tests.console.conftest import keyring as keyring
from tests.console.conftest import keys as keys
from tests.console.conftest import logs as logs
from tests.console.conftest import state as state
