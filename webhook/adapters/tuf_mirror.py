"""One look at a TUF repository: its newest trusted root, if it may be believed.

Signatures, thresholds, versions, expiry and the names of targets are judged by python-tuf, the reference client. What
is added here: bounds for time and size, and words for what went wrong. Source: The Update Framework Specification 1.0,
section 5 ("Detailed client workflow"); a Sigstore publishes its root as the target `trusted_root.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api import exceptions
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from webhook.core.errors import ParseError
from webhook.core.facts import Trouble
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import TrustRoot, TufMirror
from webhook.ports import Clock

__all__ = ["fetch_trust_root", "mirror_name"]

TARGET = "trusted_root.json"
MAX_TARGET_BYTES = 4 * 1024 * 1024
MAX_ROTATIONS = 64
MAX_DELEGATIONS = 16
ATTEMPT_SECONDS = 20.0
"""How long one look may take, all files together."""
SILENCE_SECONDS = 5
"""How long the mirror may send nothing, before it is asked again; three times for one file."""
CHUNK_BYTES = 64 * 1024


def mirror_name(mirror: TufMirror) -> str:
    """Return host and path of a mirror: what logs, metrics and messages call it, without credentials or a query."""
    parts = urlsplit(mirror.url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def fetch_trust_root(mirror: TufMirror, directory: Path, *, clock: Clock) -> TrustRoot | Trouble:
    """Bring the metadata below `directory` up to date and return the trusted root; raises nothing.

    Blocks, for less than a minute. What `directory` holds from earlier looks protects from older metadata: a mirror
    that goes back in time is refused.
    """
    own = directory / hashlib.sha256(mirror.url.encode() + b"\0" + mirror.root).hexdigest()[:32]
    try:
        own.mkdir(parents=True, exist_ok=True)
        return load_trust_root(_download(mirror, own, _BoundedFetcher(clock)))
    except ParseError as error:
        why = f"its {TARGET} cannot be used: {error}"
    except exceptions.ExpiredMetadataError:
        why = "its metadata has expired"
    except exceptions.RepositoryError:
        why = "its metadata does not verify"
    except exceptions.DownloadLengthMismatchError:
        why = "an answer is larger than its metadata allows"
    except exceptions.DownloadError:
        why = "it does not answer in time, or lacks a file"
    except OSError as error:
        why = f"there is no place for its metadata: {error.strerror or type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - whatever a mirror sends, the last good root must stay in force
        why = f"it gave an answer that makes no sense ({type(error).__name__})"
    return Trouble(doing="loading the trust root", where=mirror_name(mirror), why=why)


def _download(mirror: TufMirror, directory: Path, fetcher: FetcherInterface) -> bytes:
    """Run the client workflow: root, timestamp, snapshot, targets, then the one target."""
    base = mirror.url.rstrip("/")
    updater = Updater(
        metadata_dir=str(directory),
        metadata_base_url=f"{base}/",
        target_dir=str(directory),
        target_base_url=f"{base}/targets/",
        fetcher=fetcher,
        config=UpdaterConfig(max_root_rotations=MAX_ROTATIONS, max_delegations=MAX_DELEGATIONS),
        bootstrap=mirror.root,
    )
    updater.refresh()
    target = updater.get_targetinfo(TARGET)
    if target is None:
        raise ParseError("", "the repository has none")
    if target.length > MAX_TARGET_BYTES:
        raise ParseError("", f"is larger than {MAX_TARGET_BYTES:,} bytes")
    # Of its own name, so that no target can be written over the metadata beside it.
    path = str(directory / "target")
    data = Path(updater.find_cached_target(target, path) or updater.download_target(target, path)).read_bytes()
    target.verify_length_and_hashes(data)
    return data


class _BoundedFetcher(FetcherInterface):
    """Fetches as python-tuf does, but no longer in all than one look may take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + ATTEMPT_SECONDS
        self._inner = Urllib3Fetcher(SILENCE_SECONDS, CHUNK_BYTES, "dhi-gate")

    def _fetch(self, url: str) -> Iterator[bytes]:
        self._check_time()
        return self._chunks(self._inner.fetch(url))

    def _chunks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._check_time()
            yield chunk

    def _check_time(self) -> None:
        if self._clock.monotonic() > self._deadline:
            raise exceptions.SlowRetrievalError
