"""Bytes to values and back, without I/O: HTTP/1.1 framing, server-sent events, the JSON envelope.

Law: pure. Bytes in, values out, or one of our errors; whatever the cut of the bytes, the same result.
"""
