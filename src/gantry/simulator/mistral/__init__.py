"""Mistral's API as its recordings and SDKs show it."""
