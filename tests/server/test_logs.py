"""Log lines are one object each, whatever is logged."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from webhook.server.logs import LogFormat, adopt_library_logs, open_log


@pytest.fixture
def output() -> Iterator[StringIO]:
    """Return a stream; whatever the test made of the root logger is undone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield StringIO()
    root.handlers = handlers
    root.setLevel(level)


def test_a_hostile_text_stays_in_its_line(output: StringIO) -> None:
    """Line breaks, control characters and broken Unicode forge no second line."""
    open_log(LogFormat.JSON, output).info("event", text='a\n{"event":"decision"}\x1b[31m\ud800', path=Path("p"))
    (line,) = output.getvalue().splitlines()
    assert json.loads(line)["event"] == "event"
    assert json.loads(line)["path"] == "p"


def test_traces_show_code_and_no_values(output: StringIO) -> None:
    """A trace says where it broke, not what the variables held."""

    def broken(token: str) -> None:
        raise ValueError(f"{len(token)} characters")

    log = open_log(LogFormat.JSON, output)
    try:
        broken("hunter2")
    except ValueError:
        log.exception("failed")
    line = json.loads(output.getvalue())
    assert "ValueError: 7 characters" in line["exception"]
    assert "hunter2" not in output.getvalue().replace('broken("hunter2")', "").replace('broken(\\"hunter2\\")', "")


class FullDisk(StringIO):
    """A stream that takes lines only once somebody has made room."""

    full = True

    def write(self, text: str) -> int:
        """Write, as long as there is room."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    """On a full disk logging says so and raises nothing; with room again, lines are written again."""
    disk = FullDisk()
    log = open_log(LogFormat.JSON, disk)
    assert log.info("first") is False
    assert log.error("second") is False
    disk.full = False
    assert log.info("third") is True
    assert json.loads(disk.getvalue())["event"] == "third"


def test_debugging_is_not_logged(output: StringIO) -> None:
    """Only info and above are written."""
    open_log(LogFormat.JSON, output).debug("noise")
    assert output.getvalue() == ""


def test_libraries_speak_the_same_format(output: StringIO) -> None:
    """A warning of a library is a line of ours; its chatter is not."""
    adopt_library_logs(open_log(LogFormat.JSON, output))
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received from %s.", "somewhere")
    logging.getLogger("aiohttp").info("chatter")
    (line,) = output.getvalue().splitlines()
    said = json.loads(line)
    assert (said["level"], said["event"], said["logger"]) == ("warning", "library", "uvicorn.error")
    assert said["msg"] == "Invalid HTTP request received from somewhere."


def test_a_library_that_logs_nonsense_breaks_nothing(output: StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that cannot be formatted is reported by the standard library and forgotten."""
    adopt_library_logs(open_log(LogFormat.JSON, output))
    logging.getLogger("x").warning("%d", "not a number")
    assert output.getvalue() == ""
    assert "Logging error" in capsys.readouterr().err


def test_the_console_format_is_for_people(output: StringIO) -> None:
    """The other format is text."""
    open_log(LogFormat.CONSOLE, output).info("serving", admission="127.0.0.1:1")
    assert "serving" in output.getvalue()
    assert not output.getvalue().startswith("{")
