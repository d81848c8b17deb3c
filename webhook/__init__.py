"""dhi-gate: an image runs only if someone you trust signed it and it provably stands on an approved base."""
