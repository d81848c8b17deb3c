"""Notation: envelopes, certificates, revocation, subjects, and the judgement."""
