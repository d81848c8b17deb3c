"""Signatures: keys, formats, judgement and discovery."""
