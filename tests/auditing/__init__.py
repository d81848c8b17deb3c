"""Tests of `webhook/auditing`."""
