"""The parts of the HTML page: what it says in which order, how it looks, and what its script does."""
