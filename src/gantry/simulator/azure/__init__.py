"""Azure OpenAI: OpenAI's operations under deployments of one's own, each answer with what a content filter found."""
