"""A home with something sealed of every kind, and the question whether all of it opens."""

from pathlib import Path
from typing import Final

from gantry.board.answers import AnswerCache, KeptAnswer
from gantry.board.resources import ResourceBook
from gantry.board.turns import TurnMemory
from gantry.clerk.publish import Publisher
from gantry.core.api_key import key_digest
from gantry.core.secret import Secret
from gantry.home import Home, Keyring, load_keyring
from gantry.routing.snapshot import read_snapshot
from gantry.store.alert_channels import (
    ChannelKind,
    NewChannel,
    Opening,
    add_channel,
    channels_of,
    open_target,
    sealed_targets,
)
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import NewCredential, add_credential, credentials_of, sealed_secrets
from gantry.store.keys import KeyPolicy, add_key, keys_changed_after
from gantry.store.vault import Vault

SECRET: Final = "sk-a-secret-of-a-provider"
HOOK: Final = "whsec-a-webhook"
FAR: Final = 1 << 62


def make_sealed_home(path: Path, environment_key: str | None = None) -> tuple[Home, str]:
    """Return a home with a credential, a channel, a key, a turn, an answer and a resource; and the key."""
    home = Home(path)
    home.prepare()
    keyring = load_keyring(home, environment_key, create=True)
    vault = Vault(keyring.vault)
    with ControlStore(home.control_db) as control:
        with control.changing() as change:
            owner = default_organization(change.connection)
            new = NewCredential(
                provider_id="mistral",
                name="first",
                base_url="https://api.mistral.ai",
                secrets={"api_key": Secret(SECRET)},
            )
            add_credential(change, vault, owner, new)
            opening = Opening(url=Secret("https://hooks.example/x"), secret=Secret(HOOK))
            add_channel(
                change, vault, owner, NewChannel(name="hook", kind=ChannelKind.WEBHOOK, target="x", opening=opening)
            )
            key = add_key(change, owner, "one", KeyPolicy(), keyring.pepper)[1].reveal()
        publish(home, keyring, control)
    assert TurnMemory(home.turns, keyring.turns, keyring.turn_names).keep(owner, "turn", b"what was said")
    answers = AnswerCache(home.responses, keyring.responses, keyring.response_names)
    answer = KeptAnswer("application/json", b"{}", kept_at=1, expires_at=FAR)
    assert answers.keep(owner, answers.name(owner, b"asked"), answer)
    book = ResourceBook.open(home.resources, keyring.resources)
    assert book.remember("mistral", "file-1", owner)
    book.close()
    return home, key


def publish(home: Home, keyring: Keyring, control: ControlStore) -> None:
    Publisher(home, keyring, control, {}, granted=dict).publish()


def check_all_opens(home: Home, key: str, environment_key: str | None = None) -> None:
    """Assert that a process that starts now opens all that is sealed, and knows all that is known by a digest."""
    keyring = load_keyring(home, environment_key)
    vault = Vault(keyring.vault)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        owner = default_organization(connection)
        (credential,) = credentials_of(connection)
        sealed = sealed_secrets(connection)[credential.id]["api_key"]
        assert vault.open(sealed, credential.place("api_key")).reveal() == SECRET
        (channel,) = channels_of(connection)
        opened = open_target(channel, sealed_targets(connection)[channel.id], vault, {})
        assert opened.secret is not None
        assert opened.secret.reveal() == HOOK
        assert key_digest(key, keyring.pepper) in {digest for digest, _ in keys_changed_after(connection, 0)}
    snapshot = read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    assert snapshot.body.credentials[0].secrets["api_key"].reveal() == SECRET
    assert TurnMemory(home.turns, keyring.turns, keyring.turn_names).recall(owner, "turn") == b"what was said"
    answers = AnswerCache(home.responses, keyring.responses, keyring.response_names, clock=lambda: 2)
    assert answers.find(owner, answers.name(owner, b"asked"), 10) is not None
    book = ResourceBook.open(home.resources, keyring.resources)
    assert book.owner("mistral", "file-1") == book.mark(owner)
    book.close()
