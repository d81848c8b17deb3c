"""The ImagePolicy document → `webhook.core.policy`: strictly, with all errors at once."""
