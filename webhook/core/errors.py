"""The one kind of error that the core raises: somebody handed in something that cannot be read."""

__all__ = ["DocumentError", "ParseError"]


class ParseError(ValueError):
    """What was handed in is not what it should be.

    `path` says where inside the document (`spec.rules[2].require.base`), empty for the whole; `message` says what is
    wrong there, in one line without a final stop.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class DocumentError(ValueError):
    """Everything that is wrong with a document, told at once, in the order of the document."""

    def __init__(self, errors: tuple[ParseError, ...]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors
