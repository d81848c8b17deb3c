"""The HTTPS admission server: bytes, TLS, limits, health and metrics around the one door."""
