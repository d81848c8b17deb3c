"""A Kubernetes API server: connection, pages of objects, reports."""
