"""Secrets that stand outside the configuration file: ``!env NAME`` and ``!file PATH``.

A file without a slash in its name is a systemd credential when ``$CREDENTIALS_DIRECTORY`` is set; every other path is
relative to the configuration file that names it. Refused with `ScalarError`: what is missing, unreadable, empty, not
UTF-8 or longer than 4 KiB. No message ever holds the secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tosser.config.scalars import ScalarError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 4096
"""Bytes a secret file may have."""


def read_secret(tag: str, argument: str, directory: Path, environ: Mapping[str, str]) -> SecretStr:
    """Fetch a secret.

    Args:
        tag: ``!env`` or ``!file``.
        argument: name of the variable, or path of the file.
        directory: where relative paths start.
        environ: the environment.

    Raises:
        ScalarError: there is no such secret, or it cannot be one.
    """
    if not argument or "\0" in argument:
        raise ScalarError(f"{tag} needs a name behind it")
    if tag == "!env":
        found = environ.get(argument)
        if found is None:
            raise ScalarError(f"environment variable {argument} is not set")
        return _checked(found, f"environment variable {argument}")
    return _checked(*_read_file(argument, directory, environ))


def _read_file(argument: str, directory: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(credentials, argument) if credentials and "/" not in argument else directory / argument
    try:
        if not path.is_file():
            raise ScalarError(f"secret file {path} does not exist or is no regular file")
        with path.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
    except OSError as error:
        raise ScalarError(f"secret file {path} cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST:
        raise ScalarError(f"secret file {path} is longer than {_LONGEST} bytes")
    try:
        return content.decode().rstrip("\r\n"), f"secret file {path}"
    except UnicodeDecodeError:
        raise ScalarError(f"secret file {path} is not UTF-8 text") from None


def _checked(secret: str, where: str) -> SecretStr:
    if not secret:
        raise ScalarError(f"{where} is empty")
    return SecretStr(secret)
