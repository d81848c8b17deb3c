"""Tests of `webhook.core.attestations`."""
