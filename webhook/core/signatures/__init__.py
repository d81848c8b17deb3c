"""Who vouched for this digest, and for what: signature bytes and keys in, findings out."""
