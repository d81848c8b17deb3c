"""Asking a registry what there is: bytes and values in, nothing judged, every question bounded."""
