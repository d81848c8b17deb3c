"""The gate against the real thing: API server, registries, image builder and signer, none of them ours."""
