"""Tests of `webhook/core/reporting`."""
