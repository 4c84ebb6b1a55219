"""Amazon Bedrock's Converse and ConverseStream: one chat format over models of many makers.

Law: what differs between the makers is in `families` and nowhere else. The model and whether the answer streams stand
in the path (`/model/{modelId}/converse`, `/converse-stream`), so a decoded request has neither and an encoded one says
neither. A stream is binary (`gantry.wire.aws_event_stream`); what Gantry calls an encoder's bytes are whole messages.

Signatures of thinking are kept as Anthropic's: on Bedrock only Claude signs, and Anthropic documents that signatures
of one platform work on the others. So a caller of either API gets them, and a conversation may move between the two.
Thinking that is sealed (`redactedContent`) has no such promise and stays Bedrock's.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
Signatures: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""
