"""Anthropic's Messages API: strict where the real one is, with thinking that must come back as it was given."""
