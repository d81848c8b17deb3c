"""Container registries over HTTP: the OCI distribution protocol, credentials, limits and the guard of addresses."""
