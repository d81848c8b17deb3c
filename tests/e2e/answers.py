"""What the API server answers, as kubectl shows it."""

import json
import re
import subprocess
from dataclasses import dataclass

from tests.e2e.objects import Object
from tests.e2e.tools.processes import ADMIN, ApiServer

_DENIED = re.compile(r'admission webhook "([^"]+)" denied the request: (.*)', re.DOTALL)
_CODE = re.compile(r"^error\[([a-z-]+)\]:", re.MULTILINE)
_WARNING = re.compile(r"^Warning: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a command fared. `message` is the gate's own if it denied, else all that kubectl said on standard error."""

    allowed: bool
    webhook: str | None
    message: str
    warnings: tuple[str, ...]

    @property
    def first_line(self) -> str:
        """What views of one line show."""
        return self.message.partition("\n")[0]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the reasons that the message gives, in their order."""
        return tuple(_CODE.findall(self.message))


def answer(done: subprocess.CompletedProcess[str]) -> Answer:
    """Read what kubectl printed."""
    denied = _DENIED.search(done.stderr)
    return Answer(
        allowed=done.returncode == 0,
        webhook=denied[1] if denied else None,
        message=denied[2].strip() if denied else done.stderr.strip(),
        warnings=tuple(_WARNING.findall(done.stderr)),
    )


def create(api: ApiServer, wanted: Object, *, user: str = ADMIN, dry_run: bool = False) -> Answer:
    """Create an object, or ask what would become of it."""
    flags = ["--dry-run=server"] if dry_run else []
    return answer(api.kubectl("create", "-f", "-", *flags, stdin=json.dumps(wanted), user=user, check=False))
