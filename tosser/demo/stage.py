"""The demo itself: broker, audience and daemon are brought up, mail arrives, and all that happens is checked.

The daemon and the commands are the real programs, in processes of their own; whatever is told of the mail has come
through the broker.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from tosser.demo.audience import Audience, Heard
from tosser.demo.broker import LOOPBACK, embedded_broker
from tosser.demo.network import DIRECTORIES, PREFIX, SECURE, configuration
from tosser.demo.show import line
from tosser.events.topics import Kind

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tosser.demo.network import Sample

CONFIG_NAME = "tosser.yaml"
LOG_NAME = "daemon.log"
SAMPLES = "samples"
"""Directory with a copy of every file that arrives."""
_START_SECONDS = 20.0
_EVENT_SECONDS = 10.0
_STOP_SECONDS = 10.0
_PAUSE = 0.3
"""Seconds between two files, so that eyes can follow."""


class Stage:
    """One performance.

    Args:
        root: an empty directory.
        say: prints a line.
        mail: what arrives, in this order.
    """

    def __init__(self, root: Path, say: Callable[[str], None], mail: Sequence[Sample]) -> None:
        self._root = root
        self._say = say
        self._samples = mail
        self._audience = Audience(PREFIX, lambda heard: say(f"  {line(heard.text, PREFIX, heard.data)}"))
        self._problems: list[str] = []

    async def play(self, seconds: float) -> list[str]:
        """Play, stay for some seconds more, and tidy up; returns what went wrong, as sentences.

        Raises:
            ImportError: the embedded broker is not installed.
            OSError: the directory cannot be used, or there is no free port.
        """
        async with embedded_broker() as port, self._audience.listening(port):
            self._set_up(port)
            self._say(f"A broker listens on port {port}; a node of two networks is configured in {self._root}.")
            self._say("The daemon starts. Events, as they come from the broker:")
            self._say("")
            async with self._daemon() as daemon:
                if await self._perform(daemon):
                    await self._look_around()
                    await self._stay(port, seconds)
            if daemon.returncode:
                self._problems.append(f"the daemon ended with {daemon.returncode}")
        return self._problems

    def _set_up(self, port: int) -> None:
        for name in (*DIRECTORIES, SAMPLES):
            (self._root / name).mkdir()
        config = self._root / CONFIG_NAME
        config.touch(0o600)  # passwords stand in it
        config.write_text(configuration(port), "utf-8")

    @asynccontextmanager
    async def _daemon(self) -> AsyncIterator[Process]:
        """Run the daemon within the block; it is asked to stop at its end."""
        with (self._root / LOG_NAME).open("wb") as log:
            process = await self._start("run", stdout=log.fileno(), stderr=log.fileno())
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _STOP_SECONDS)
                except TimeoutError:
                    self._problems.append(f"the daemon did not stop within {_STOP_SECONDS:.0f} s and was killed")
                    process.kill()
                    await process.wait()

    async def _start(self, *arguments: str, stdout: int, stderr: int) -> Process:
        """Start one of our own commands on the node."""
        outside = ("NOTIFY_", "WATCHDOG_", "TOSSER_", "CREDENTIALS_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tosser", "--config", str(self._root / CONFIG_NAME), *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=self._root, env=environment,
        )  # fmt: skip

    # --- the mail

    async def _perform(self, daemon: Process) -> bool:
        """Let the mail arrive, file after file; tells whether the daemon kept up."""
        if not await self._expect(daemon, _online, _START_SECONDS, "the daemon did not start"):
            return False
        for sample in self._samples:
            await asyncio.sleep(_PAUSE)
            self._deliver(sample)
            ended, otherwise = partial(_ends, sample), f"{sample.name} did not reach a final state"
            if not await self._expect(daemon, ended, _EVENT_SECONDS, otherwise):
                return False
            self._check_end(sample)
        wanted = self._stored()
        return await self._expect(
            daemon, lambda heard: _messages(heard) == wanted, _EVENT_SECONDS, f"the messages heard of are not {wanted}"
        ) and await self._expect(
            daemon,
            lambda heard: wanted.items() <= _states(heard).items(),
            _EVENT_SECONDS,
            f"the areas do not stand at {wanted}",
        )

    def _deliver(self, sample: Sample) -> None:
        """Drop a file as a mailer does: written under another name, then renamed."""
        self._say("")
        self._say(f"{sample.inbound}/{sample.name} arrives: {sample.about}")
        (self._root / SAMPLES / sample.name).write_bytes(sample.data)
        unfinished = self._root / sample.inbound / f"{sample.name}.tmp"
        unfinished.write_bytes(sample.data)
        unfinished.rename(self._root / sample.inbound / sample.name)

    async def _expect(
        self, daemon: Process, condition: Callable[[list[Heard]], object], seconds: float, otherwise: str
    ) -> bool:
        """Wait until what was heard meets a condition; if it does not, or the daemon ends, note the problem."""
        met = asyncio.create_task(self._audience.until(condition, seconds))
        ended = asyncio.create_task(daemon.wait())
        try:
            await asyncio.wait((met, ended), return_when=asyncio.FIRST_COMPLETED)
            if met.done() and met.result():
                return True
            self._problems.append(f"{otherwise} (it ended with {ended.result()})" if ended.done() else otherwise)
            return False
        finally:
            met.cancel()
            ended.cancel()

    # --- the checks

    def _check_end(self, sample: Sample) -> None:
        data = _ends(sample, self._audience.heard)[-1].data
        found = (data["state"], data["reason"], data["counts"])
        wanted = (sample.state.value, sample.reason, dict(sample.messages))
        if found != wanted:
            self._problems.append(f"{sample.name} ended as {found}, and {wanted} is right")

    def _stored(self) -> dict[str, int]:
        """Count the messages that must be in each area."""
        stored: dict[str, int] = {}
        for sample in self._samples:
            for area, count in sample.areas.items():
                stored[area] = stored.get(area, 0) + count
        return stored

    async def _look_around(self) -> None:
        """Show what the commands say, and check it."""
        for command in (("area", "list"), ("quarantine", "list")):
            self._say("")
            self._say(f"$ tosser {' '.join(command)}")
            for text in (await self._command(*command)).splitlines():
                self._say(text)
        areas = {row["tag"]: row["messages"] for row in json.loads(await self._command("area", "list", "--json"))}
        if areas != self._stored():
            self._problems.append(f"`area list` tells {areas}, and {self._stored()} is right")
        entries = json.loads(await self._command("quarantine", "list", "--json"))
        kept = [(entry["name"], entry["reason"]) for entry in entries]
        wanted = [(sample.name, sample.reason) for sample in self._samples if sample.reason]
        if kept != wanted:
            self._problems.append(f"set aside are {kept}, and {wanted} is right")
        for entry in entries:
            self._say("")
            self._say(f"$ tosser quarantine show {entry['id']}")
            for text in (await self._command("quarantine", "show", entry["id"])).splitlines():
                self._say(text)

    async def _stay(self, port: int, seconds: float) -> None:
        """Leave all running for a while; events are told as they come."""
        if seconds:
            self._say("")
            self._say(f"All of it stays up for {seconds:.0f} s. Drop packets into {self._root / SECURE}, or listen:")
            self._say(f"$ mosquitto_sub -h {LOOPBACK} -p {port} -V 311 -t '{PREFIX}/#' -v")
            await asyncio.sleep(seconds)

    async def _command(self, *arguments: str) -> str:
        """Run a command on the node; gives what it printed."""
        process = await self._start(*arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        stdout, stderr = await process.communicate()
        if process.returncode:
            self._problems.append(f"`{' '.join(arguments)}` ended with {process.returncode}: {stderr.decode()}")
        return stdout.decode()


def _online(heard: list[Heard]) -> bool:
    return any(each.topic.kind is Kind.STATUS and each.data["state"] == "online" for each in heard)


def _ends(sample: Sample, heard: list[Heard]) -> list[Heard]:
    """List what was heard of the final state of a sample."""
    return [each for each in heard if each.topic.kind is Kind.INBOUND and each.data["name"] == sample.name]


def _messages(heard: list[Heard]) -> dict[str, int]:
    """Count the messages heard of in each area; a redelivered event has the id it had before."""
    ids = {(each.topic.tag, each.event["id"]) for each in heard if each.topic.kind is Kind.MESSAGE}
    return {tag: sum(area == tag for area, _ in ids) for tag, _ in ids}


def _states(heard: list[Heard]) -> dict[str, int]:
    """Give the number of stored messages that was last heard of each area; the bad areas are among them."""
    return {
        each.topic.tag: each.data["totals"].get("stored", 0) for each in heard if each.topic.kind is Kind.AREA_STATE
    }
