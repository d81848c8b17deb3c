"""Signatures made by the real Notation libraries, checked in, and the program that makes them; see README.md."""
