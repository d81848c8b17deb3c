"""Tests of `webhook/core/auditing`."""
