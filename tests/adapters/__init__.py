"""Tests of the adapters against loopback servers."""
