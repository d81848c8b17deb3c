"""The chart, by the real Helm, against the real API server."""
