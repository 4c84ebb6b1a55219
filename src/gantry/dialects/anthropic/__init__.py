"""Anthropic's Messages API, as its own service, Bedrock's invoke, Vertex and look-alikes speak it.

Law: what Anthropic signed goes back to Anthropic as it came, and nothing else is ever called signed. Turns alternate,
results of tools come first in the user's turn, a bound on the answer is always named. Blocks that only Anthropic has
keep their bytes.

Format: https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""
