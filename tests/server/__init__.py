"""Tests of the HTTPS server."""
