"""One test for each class of published weakness of other gates, named after what it prevents.

The identifiers stand in the docstrings; every story is told on the whole gate, from the object to the verdict.
"""
