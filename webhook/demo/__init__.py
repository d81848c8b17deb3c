"""The loopback trial that ships with the package: a registry, an image maker and a signer."""
