"""Amazon Bedrock: signed requests, one format for all makers' models, and a binary stream."""
