"""Tests of dhi-gate; their folders mirror those of the package."""
