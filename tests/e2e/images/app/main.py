"""The application that all images carry. It never runs: these tests have no node that could."""  # noqa: INP001 - it is not a part of the tests' package
