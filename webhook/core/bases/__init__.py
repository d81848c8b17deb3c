"""Bases: what a build is, which chain of layers it has, what stands on it, and the catalog that records it."""
