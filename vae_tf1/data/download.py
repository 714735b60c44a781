"""Downloads files from a host that may not answer; each file appears whole or not at all."""

import os
import secrets
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from vae_tf1._checks import as_path
from vae_tf1._files import sha256_of

_REACH_SECONDS = 5.0
_MAX_BYTES = 2**30  # limit for a file whose checksum is unknown; EMNIST's largest has 5.5e8
_MAX_CHECKED_BYTES = 2**24  # limit for a file of MNIST; the largest has 9.9e6


class UnreachableError(Exception):
    """A download failed; the message is a clause that gives the reason."""


def maybe_download(filename: str, work_directory: str | os.PathLike[str], source_url: str) -> str:
    """Downloads `source_url` to `filename` in `work_directory` unless it exists, and returns its path.

    Raises:
        TypeError: `filename` or `work_directory` is not a path.
        OSError: the file can't be downloaded or written.
    """
    path = as_path(work_directory, "work_directory") / as_path(filename, "filename")
    if not path.exists():
        check_writable(path.parent)
        try:
            check_reachable(source_url)
            download(source_url, path)
        except UnreachableError as error:
            raise ConnectionError(f"{path} does not exist, and {error}; put it there by hand.") from error
    return str(path)


def check_writable(directory: Path) -> None:
    """Creates the directory if needed; raises OSError if files can't be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise type(error)(
            f"The directory {directory} can't be written ({error.strerror}); pass another directory."
        ) from error


def check_reachable(url: str) -> None:
    """Waits at most 5 seconds for any response from the host, through the environment's proxies.

    Raises:
        UnreachableError: there was no response.
    """
    import requests

    outcomes: list[Exception | None] = []

    def request() -> None:
        try:
            requests.head(url, timeout=_REACH_SECONDS, allow_redirects=False)
            outcomes.append(None)
        except Exception as error:  # whatever it is, the host gave no response
            outcomes.append(error)

    # In a thread, because the timeout does not cover the lookup of the host's name.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(_REACH_SECONDS)
    if not outcomes:
        raise UnreachableError(f"{url} did not answer within {_REACH_SECONDS:.0f} seconds")
    if (error := outcomes[0]) is not None:
        raise UnreachableError(f"{url} can't be reached ({type(error).__name__})") from error


def download(url: str, path: Path, sha256: str | None = None) -> None:
    """Downloads to `path`, which appears only when it is complete and has its checksum.

    Several processes can download to the same path: each writes a file of its own, and the last to finish replaces the
    others.

    Args:
        url: address of the file.
        path: destination.
        sha256: the checksum that the file must have, if it is known.

    Raises:
        UnreachableError: the download failed, or the host sends too much; no partial file is left.
        OSError: the file can't be written.
    """
    import requests

    part = path.with_suffix(f".{secrets.token_hex(8)}.part")
    retry = requests.adapters.Retry(3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504], raise_on_status=False)
    try:
        with requests.Session() as session:
            session.mount(url, requests.adapters.HTTPAdapter(max_retries=retry))
            session.headers["Accept-Encoding"] = "identity"  # a compressed file stays compressed
            with session.get(url, stream=True, timeout=_REACH_SECONDS) as response, part.open("wb") as file:
                if not response.ok:
                    raise UnreachableError(f"{url} answers {response.status_code} {response.reason}")
                _save(response, file, url, _MAX_BYTES if sha256 is None else _MAX_CHECKED_BYTES)
        if sha256 is not None and sha256_of(part) != sha256:
            raise UnreachableError(f"the file from {url} is not MNIST's file: its SHA-256 differs")
        part.replace(path)
    except requests.RequestException as error:
        raise UnreachableError(f"{url} can't be downloaded ({type(error).__name__})") from error
    except OSError as error:
        raise type(error)(
            f"{path} can't be written ({error.strerror or error}); make room there, or pass another directory."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _save(response: Any, file: IO[bytes], url: str, max_bytes: int) -> None:
    received = 0
    for block in response.iter_content(2**16):
        received += len(block)
        if received > max_bytes:
            raise UnreachableError(f"{url} sends more than {max_bytes} bytes")
        file.write(block)
