"""The one dialler: every connection this program opens to the outside goes through here.

Law: resolve, check the address, connect to exactly the address that was checked; never follow a redirect. Connections
are pooled per origin, newest first, and a caller that goes away takes its connection with it.
"""
