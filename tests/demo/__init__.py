"""The demo kit is a faithful stand-in for registries, builders and signers."""
