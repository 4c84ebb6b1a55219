"""What keeps a home: its backup, its master key's rotation, a rehearsal of its upgrade, its move to another database.

Law: nothing here is needed while calls pass, and no process that serves imports it. Whatever is interrupted is begun
again by the same command: what is half done is not believed, or goes on where it was.
"""


class KeepingRefused(Exception):
    """What was asked cannot be done; the message says why and what to do."""
