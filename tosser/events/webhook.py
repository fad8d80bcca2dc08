"""Posting an event to a webhook: one HTTP/1.1 request on a connection of its own, all of it within one time limit.

Only the head of the answer counts (CloudEvents HTTP binding 1.0, structured mode). A redirect is not followed, because
what we send may hold a secret that is for this host only. Certificates are always verified. No proxy is asked.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tosser import __version__
from tosser.events.event import CONTENT_TYPE
from tosser.rules.hooks import Fate, Outcome, Webhook, judge_status, parse_retry_after

if TYPE_CHECKING:
    from concurrent.futures import Executor

_LONGEST_LINE = 16 * 1024
_MOST_LINES = 200
"""Bounds on the head of an answer, and on what may precede it."""
_MOST_ADDRESSES = 8
_REST_BYTES = 64 * 1024
_REST_SECONDS = 1.0
"""How much of the rest of an answer is taken, so that nobody is hung up on in mid-sentence."""
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: .*)?")
_FINAL = 200


class _BadAnswerError(Exception):
    """It does not speak HTTP/1; the text says so as a sentence."""


class Poster:
    """Posts to one webhook.

    Args:
        webhook: where to.
        timeout: seconds for all of it.
        threads: where names are looked up.
    """

    def __init__(self, webhook: Webhook, timeout: float, threads: Executor) -> None:
        self._webhook = webhook
        self._timeout = timeout
        self._threads = threads
        self._where = f"{webhook.host}:{webhook.port}"
        self._tls: ssl.SSLContext | None = None

    async def call(self, event: bytes) -> Outcome:
        """Post an event; when it is cancelled nobody knows whether the other side has heard it."""
        writer = None
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await self._connect()
                writer.write(self._head(len(event)) + event)
                with suppress(ConnectionError):  # it may have answered before it has heard all
                    await writer.drain()
                status, retry_after = await _read_answer(reader)
            await _take_rest(reader)
        except (OSError, UnicodeError, _BadAnswerError) as error:
            return Outcome(Fate.AGAIN, self._explain(error))
        finally:
            if writer is not None:
                writer.transport.abort()
        fate = judge_status(status)
        if fate is Fate.DONE:
            return Outcome(fate)
        asked = parse_retry_after(retry_after, time.time())
        return Outcome(fate, f"{self._where} answers with status {status}", asked)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Try the addresses of the host one after the other, each for its share of the time."""
        webhook = self._webhook
        loop = asyncio.get_running_loop()
        if webhook.tls and self._tls is None:
            self._tls = await loop.run_in_executor(self._threads, _tls_context, webhook.ca)
        found = await loop.run_in_executor(
            self._threads, socket.getaddrinfo, webhook.host, webhook.port, 0, socket.SOCK_STREAM
        )
        *others, last = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))[:_MOST_ADDRESSES]
        share = self._timeout / (len(others) + 1)
        for address in others:
            with suppress(OSError):
                return await self._open(address, share)
        return await self._open(last, share)

    async def _open(self, address: str, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = self._webhook.host if self._tls else None
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(
                address, self._webhook.port, limit=_LONGEST_LINE, ssl=self._tls, server_hostname=name
            )

    def _head(self, length: int) -> bytes:
        webhook = self._webhook
        host = f"[{webhook.host}]" if ":" in webhook.host else webhook.host
        headers = {
            "Host": host if webhook.port == (443 if webhook.tls else 80) else f"{host}:{webhook.port}",
            "User-Agent": f"tosser/{__version__}",
            "Content-Type": CONTENT_TYPE,
            "Content-Length": str(length),
            "Connection": "close",
            **webhook.headers,
        }
        lines = [f"POST {webhook.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("ascii")

    def _explain(self, error: Exception) -> str:
        """Say what went wrong; neither path nor headers are told, for they may hold secrets."""
        match error:
            case ssl.SSLCertVerificationError():
                what = f"has a certificate that does not verify: {error.verify_message}"
            case ssl.SSLError():
                what = f"cannot be talked to in TLS: {error.reason or error}"
            case socket.gaierror() | UnicodeError():
                what = "has a name that does not resolve"
            case TimeoutError():
                what = f"did not answer within {self._timeout:g} seconds"
            case ConnectionRefusedError():
                what = "cannot be reached: nothing listens there"
            case OSError():
                what = f"cannot be reached: {error.strerror or error}"
            case _:
                what = str(error)
        return f"{self._where} {what}"


def _tls_context(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca or None)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read heads of answers up to the final one; gives its status, and its Retry-After or nothing.

    Raises:
        _BadAnswerError: it does not speak HTTP/1.
        OSError: the connection broke.
    """
    head: list[bytes] = []
    for _ in range(_MOST_LINES):
        try:
            line = await reader.readline()
        except ValueError:
            raise _BadAnswerError("answers with lines of unreasonable length") from None
        if not line.endswith(b"\n"):
            raise _BadAnswerError("hung up without an answer")
        head.append(line.rstrip(b"\r\n"))
        match = _STATUS_LINE.fullmatch(head[0])
        if match is None:
            raise _BadAnswerError("does not answer in HTTP/1")
        if not head[-1]:
            if int(match[1]) >= _FINAL:
                return int(match[1]), _value_of(head, b"retry-after")
            head.clear()  # 1xx: the answer is still to come (RFC 9110, 15.2)
    raise _BadAnswerError("answers with headers without end")


def _value_of(head: list[bytes], wanted: bytes) -> str:
    for line in head[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            return value.strip().decode("latin-1")
    return ""


async def _take_rest(reader: asyncio.StreamReader) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_REST_SECONDS):
            await reader.readexactly(_REST_BYTES)
