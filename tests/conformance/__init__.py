"""The verifying half of the Sigstore conformance suite, through the gate's own code."""
