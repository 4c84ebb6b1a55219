"""OpenAI's chat API, as far as a gateway relays it."""
