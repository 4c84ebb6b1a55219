"""Google's `generateContent`, as the Gemini API and Vertex AI speak it: read and written in both directions.

Law: the model and the wish to stream stand in the URL (`models/{model}:generateContent`, `:streamGenerateContent`), not
in the body. So `decode_request` gives `model=""` and `stream=False`, which the gateway fills in from the path with
`msgspec.structs.replace`, and `encode_request` writes neither. A stream is whole answers one after another and ends in
silence: it ended well when a reason to finish was seen.

Signatures come back on the very part they came on, by a convention where the canonical chat has no slot: one on text or
media is a `Thinking` of its own right before it, sealed and without text; one on an empty part is that part, native. A
thought and a call have slots for theirs.

JSON schemas are sent as `parametersJsonSchema` and `responseJsonSchema`: v1beta of the Gemini API and v1 and v1beta1 of
Vertex AI take them; the Gemini API's v1 knows neither, nor tools. Both of Google's dialects of a schema are read.

Spec: https://ai.google.dev/api/generate-content, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""
