"""What lives in a cluster: API objects → rows of an audit, each a top owner with the pods that run for it."""
