"""Signatures of the Notary Project, as the notation command writes them: envelope, certificates, revocation, claims."""
