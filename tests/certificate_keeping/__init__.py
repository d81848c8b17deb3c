"""Tests of `webhook/certificate_keeping`."""
