"""A real browser without a window, driven through chromedriver by the WebDriver protocol.

Source: W3C WebDriver; the log and the commands of the Chrome DevTools Protocol are chromedriver's own extensions.
"""

import base64
import http.client
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.tools import toolchain
from tests.e2e.tools.processes import LOOPBACK, free_port, http_get, running

# Nothing but what a page itself does may reach the network, and nothing is kept between two browsers.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
ENTER = "\ue007"
SPACE = "\ue00d"
TAB = "\ue004"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_TIMEOUT_S = 120.0


class BrowserError(RuntimeError):
    """The browser refused a command; the message has its own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A running browser with one window."""

    port: int
    session: str

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded; what was logged before is forgotten."""
        # From one fragment of a page to another would not load it anew.
        self._post("url", {"url": "about:blank"})
        for kind in ("browser", "performance"):
            self._log(kind)
        self._post("url", {"url": url})

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of a JavaScript expression in the page, whatever its security policy says."""
        answer = self.devtools("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def devtools(self, command: str, **parameters: object) -> dict[str, Any]:
        """Run a command of the Chrome DevTools Protocol."""
        answer: dict[str, Any] = self._post("goog/cdp/execute", {"cmd": command, "params": parameters})
        return answer

    def type(self, selector: str, text: str) -> None:
        """Type into the first element that a CSS selector finds, as a person does."""
        self._post(f"element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds."""
        self._post(f"element/{self._find(selector)}/click", {})

    def press(self, *keys: str) -> None:
        """Press and release keys one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def prefer(self, scheme: str) -> None:
        """Be the browser of somebody who prefers `light` or `dark`."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def resize(self, width: int, height: int) -> None:
        """Show the page in a window of this size, in CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def screenshot(self, file: Path) -> None:
        """Write what is to be seen as PNG."""
        file.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot")["data"]))

    def console(self) -> Sequence[str]:
        """Return what was logged since the page was opened: errors, violations of a policy, and messages."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> Sequence[str]:
        """Return the addresses that were asked for since the page was opened, its own first."""
        messages = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [parameters["request"]["url"] for parameters in sent]

    def _find(self, selector: str) -> str:
        found = self._post("element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._post("se/log", {"type": kind})
        return entries

    def _post(self, command: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        return _ask(self.port, "POST", f"/session/{self.session}/{command}", body)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run Chromium with a new profile and yield it; what it writes goes below `folder`."""
    port = free_port()
    log = folder / f"chromedriver-{secrets.token_hex(4)}.log"
    command: list[str | Path] = [toolchain.provide("chromedriver"), f"--port={port}"]
    with running(command, log=log) as process:
        process.wait_until(lambda: http_get(f"http://{LOOPBACK}:{port}/status"))
        options = {
            "binary": str(toolchain.provide("chromium")),
            "args": [*FLAGS, f"--user-data-dir={folder / f'profile-{secrets.token_hex(4)}'}"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = _ask(port, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(port=port, session=session)
        finally:
            _ask(port, "DELETE", f"/session/{session}", None)


def _ask(port: int, method: str, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_S)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, body=content, headers={"Content-Type": "application/json"})
        answer: Mapping[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    value = answer["value"]
    if isinstance(value, dict) and "error" in value:
        raise BrowserError(f"{path}: {value['error']}: {value['message']}")
    return value
