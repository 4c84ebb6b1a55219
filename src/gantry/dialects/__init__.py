"""One codec per wire format: what a provider or a client wrote, read; what we have to say, written.

Law: pure and tolerant. Bytes in, values or bytes out; what is not understood is kept or named, and reading an answer
never raises. `answer` reads for the record, `adapt` bridges two formats of a family, `errors` speaks to callers,
`posted` takes in logs of calls made elsewhere.
"""
