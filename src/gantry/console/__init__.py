"""The console: the management API behind the gateway's port, one module per resource. The web UI comes later.

Law: no route without a declared access (`access.GuardedRoute` refuses it), and no wait without an end: every question
to the store runs in a thread with a time limit, and ends in an answer or in a 503 that says what to do.
"""
