"""Documents on disk: what is in force after each change, and what is said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.policies import COMPLETE, files, plain, public_pem
from webhook.core.errors import DocumentError, ParseError
from webhook.documents import DocumentFile, Loaded, ReadFile, Rejected, load_policy, policy_file

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class SteppingClock:
    """A clock on which every look takes a minute."""

    def __init__(self) -> None:
        self._minutes = -1

    def now(self) -> datetime:
        """Return a minute more than the last time."""
        self._minutes += 1
        return START + timedelta(minutes=self._minutes)

    def monotonic(self) -> float:
        """Return the same as `now`, in seconds."""
        return self._minutes * 60.0


def read_words(data: bytes, read_file: ReadFile) -> str:
    """Parse for tests: `bad` is refused, `bug` fails, `@name` stands for the content of another file."""
    words = [read_file(word[1:]).decode() if word.startswith("@") else word for word in data.decode().split()]
    if "bug" in words:
        raise KeyError(words.index("bug"))
    if "bad" in words:
        raise DocumentError((ParseError("words[0]", "is bad"), ParseError("words", "are bad")))
    return " ".join(words)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the document of a test lies."""
    return tmp_path / "document"


@pytest.fixture
def document(path: Path) -> DocumentFile[str]:
    """Return a document that nobody has written yet."""
    return DocumentFile(path, read_words, clock=SteppingClock(), max_bytes=100)


def test_nothing_is_in_force_until_a_document_is_there(path: Path, document: DocumentFile[str]) -> None:
    """Before the first good document there is no value, and the reason is known."""
    assert document.reload() == Rejected(errors=("cannot be read: No such file or directory",), at=START)
    assert document.state.value is None
    assert document.reload() is None

    path.write_text("first")
    result = document.reload()

    assert result == Loaded(value="first", at=START + timedelta(minutes=1))
    assert document.current == "first"
    assert document.state.last_rejection is None


def test_a_change_is_loaded_and_the_unchanged_is_not(path: Path, document: DocumentFile[str]) -> None:
    """A document is read again when it changes, and only then."""
    path.write_text("first")
    document.reload()
    before = document.state.revision

    assert document.reload() is None

    path.write_text("second")

    assert isinstance(document.reload(), Loaded)
    assert document.current == "second"
    assert document.state.revision != before


def test_a_touched_file_with_the_same_content_is_no_change(path: Path, document: DocumentFile[str]) -> None:
    """A file that was written again with the same bytes changes nothing and is not reported."""
    path.write_text("first")
    document.reload()
    state = document.state

    path.unlink()
    path.write_text("first")

    assert document.reload() is None
    assert document.state == state


def test_a_broken_change_leaves_the_last_good_value_in_force(path: Path, document: DocumentFile[str]) -> None:
    """A document that cannot be used is told with all its errors, and what was in force stays so until it is mended."""
    path.write_text("good")
    document.reload()
    path.write_text("bad")

    result = document.reload()

    assert result == Rejected(errors=("words[0]: is bad", "words: are bad"), at=START + timedelta(minutes=1))
    assert document.current == "good"
    assert document.state.loaded_at == START
    assert document.state.last_attempt_at == START + timedelta(minutes=1)
    assert document.state.last_rejection == result

    path.write_text("good")

    assert isinstance(document.reload(), Loaded)
    assert document.state.last_rejection is None


def test_a_fault_of_ours_is_kept_apart_and_changes_nothing(path: Path, document: DocumentFile[str]) -> None:
    """An unexpected error while parsing is reported with its cause; the last good value stays in force."""
    path.write_text("good")
    document.reload()
    path.write_text("bug")

    result = document.reload()

    assert isinstance(result, Rejected)
    assert result.errors == ("internal error (KeyError)",)
    assert isinstance(result.cause, KeyError)
    assert document.current == "good"


def test_a_document_that_is_too_large_is_rejected(path: Path, document: DocumentFile[str]) -> None:
    """No more than the bound is read of any file."""
    path.write_text("x" * 101)

    result = document.reload()

    assert isinstance(result, Rejected)
    assert result.errors == ("is larger than 100 bytes",)


def test_files_that_a_document_refers_to_are_watched(path: Path, document: DocumentFile[str]) -> None:
    """A change of a file that the document refers to reloads the document, also when the file was missing before."""
    path.write_text("@key")
    assert isinstance(document.reload(), Rejected)

    (path.parent / "key").write_text("old")
    assert document.reload() == Loaded(value="old", at=START + timedelta(minutes=1))

    (path.parent / "key").write_text("new")
    assert document.reload() == Loaded(value="new", at=START + timedelta(minutes=2))


def test_a_config_map_that_is_replaced_is_followed(tmp_path: Path) -> None:
    """Kubernetes turns the link `..data` to a new directory; documents and files behind it change together."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "document").write_text(f"{version} @key")
        (tmp_path / version / "key").write_text(f"key-{version}")
    data = tmp_path / "..data"
    data.symlink_to("one")
    for name in ("document", "key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    document = DocumentFile(tmp_path / "document", read_words, clock=SteppingClock())
    document.reload()
    assert document.current == "one key-one"

    (tmp_path / "..next").symlink_to("two")
    (tmp_path / "..next").rename(data)

    assert isinstance(document.reload(), Loaded)
    assert document.current == "two key-two"


def test_a_file_that_changes_while_it_is_read_is_read_again(path: Path) -> None:
    """A document is never put together from an old and a new state of its files."""
    path.write_text("old")

    def read_while_somebody_writes(data: bytes, read_file: ReadFile) -> str:
        if data == b"old":
            path.write_text("new!")
        return read_words(data, read_file)

    document = DocumentFile(path, read_while_somebody_writes, clock=SteppingClock())
    document.reload()

    assert document.current == "new!"


def test_a_file_that_never_rests_is_rejected(path: Path) -> None:
    """A document that changes each time it is read does not take effect until it rests."""
    path.write_text("x")

    def read_and_append(data: bytes, read_file: ReadFile) -> str:
        path.write_bytes(data + b"x")
        return read_words(data, read_file)

    document = DocumentFile(path, read_and_append, clock=SteppingClock())
    result = document.reload()

    assert isinstance(result, Rejected)
    assert result.errors == ("keeps changing while it is read",)
    assert document.current is None


@pytest.fixture
def first(path: Path) -> Path:
    """Return where a document lies that has been written."""
    path.write_text("first")
    return path


async def test_a_watch_reports_every_change(first: Path, document: DocumentFile[str]) -> None:
    """A watch loads at once, then looks after each interval and reports what it finds."""
    changes: list[Callable[[], object]] = [
        lambda: first.write_text("bad"),
        lambda: None,
        lambda: first.write_text("second"),
    ]
    slept: list[float] = []
    reported: list[str] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if not changes:
            raise asyncio.CancelledError
        changes.pop(0)()

    watching: Awaitable[None] = document.watch(
        lambda result: reported.append(result.value if isinstance(result, Loaded) else "rejected"),
        interval_seconds=10,
        sleep=sleep,
    )
    with pytest.raises(asyncio.CancelledError):
        await watching

    assert reported == ["first", "rejected", "second"]
    assert slept == [10, 10, 10, 10]


def test_a_policy_on_disk_is_loaded_with_its_key_files(tmp_path: Path) -> None:
    """The policy in force follows the key files that it names."""
    path = tmp_path / "policy.yaml"
    path.write_text(policy_text())
    read_file = files()
    for name in ("release.pem", "ca.pem", "trusted_root.json", "root.json", "root.pem", "root.crl"):
        (tmp_path / name).write_bytes(read_file(name))
    document = policy_file(path, clock=SteppingClock())

    document.reload()
    assert document.current
    assert document.current.digest == load_policy(path).digest == document.state.revision

    (tmp_path / "release.pem").write_text(public_pem("release, rotated"))
    before = document.current
    document.reload()

    assert document.current.authorities[1].signers != before.authorities[1].signers
    assert document.current.digest != before.digest


def policy_text() -> str:
    """Return a policy that names files."""
    inline = public_pem("docker").replace("\n", "\\n")
    return COMPLETE.replace('data: ""', f'data: "{inline}"').replace('atLeast: ""', "atLeast: 2").replace('""', "true")


def test_a_policy_is_read_once_or_refused(tmp_path: Path) -> None:
    """Reading a policy once gives the policy, or raises what is wrong with it."""
    path = tmp_path / "policy.yaml"
    with pytest.raises(FileNotFoundError):
        load_policy(path)

    path.write_text(str(plain() | {"kind": "Policy"}).replace("'", '"'))
    with pytest.raises(DocumentError, match='kind: expected "ImagePolicy", found "Policy"'):
        load_policy(path)
