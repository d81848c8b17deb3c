"""Tests of `webhook/core/inventory`."""
