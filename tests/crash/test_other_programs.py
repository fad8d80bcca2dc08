"""Other programs write to our bases, and read them, all the time: while we toss, after we were killed, and meanwhile.

An NNTP server posts, another tosser tosses, a BBS appends, each in processes of its own that know nothing of us.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mail import HUB, US, message, packet
from tests.observe import nothing_waits
from tests.peers import jam_writer
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, Node, node
from tests.peers.jam_watch import Watch, first_line
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require_own
from tosser.codec.jam import FIXED_HEADER_LENGTH, MESSAGE_HEADER_LENGTH
from tosser.stores.jam_reader import JamReader, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.jamnntpd import NewsSession

AREAS = ("ALPHA", "BETA")
KILLS = 8
PACKETS, MESSAGES = 3, 60
"""Delivered for each life of the daemon: so many packets, of so many messages for each area."""
LONGEST_LIFE = 0.25
"""Seconds from the first line of the log to the kill."""
BETWEEN = 3
"""Messages that each writer adds to each area between a crash and the recovery."""
PAUSE = 0.02
"""Seconds that each of them rests, so that there is something left of the processors for us."""
WRITER = "1337:1/300"


@dataclass
class Writer:
    """A program that adds to all areas, over and over, in a thread of ours.

    Attributes:
        tag: what its subjects begin with.
        add: writes one message for each area; it gets the number of the round.
        rounds: how many are done.
    """

    tag: str
    add: Callable[[int], None]
    rounds: int = 0
    failure: BaseException | None = None
    _ends: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[Writer]:
        """Have it write for the length of a ``with`` block."""
        thread = threading.Thread(target=self._work, name=self.tag)
        thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            thread.join()
        if self.failure is not None:
            raise self.failure

    def wait(self, rounds: int) -> None:
        """Wait until it has written so many more."""
        goal = self.rounds + rounds
        while self.rounds < goal and self.failure is None:
            time.sleep(0.005)

    def _work(self) -> None:
        try:
            while not self._ends.wait(PAUSE):
                self.add(self.rounds)
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            self.failure = error


def _mail(tag: str, area: str, number: int, author: str) -> bytes:
    subject = f"{tag} {number}"
    made = message(area, number=number, author=author, body=f"{first_line(subject)}\rHello.\r".encode())
    return made.replace(b"Test %d\0" % number, subject.encode() + b"\0", 1)


def _bbs(system: Node) -> Callable[[int], None]:
    def add(number: int) -> None:
        for area in AREAS:
            command = [sys.executable, jam_writer.__file__, str(system.bases / area.lower()), "append", "bbs"]
            subprocess.run([*command, "1", str(number)], check=True, stdout=subprocess.DEVNULL)

    return add


def _news(session: NewsSession) -> Callable[[int], None]:
    def add(number: int) -> None:
        for area in AREAS:
            headers = {"From": "Bob Example <bob@bbs.invalid>", "Newsgroups": area, "Subject": f"news {number}"}
            session.post(headers, f"news text {number}\n")

    return add


def _tosser(other: Crashmail) -> Callable[[int], None]:
    def add(number: int) -> None:
        made = packet([_mail("other", area, number, WRITER) for area in AREAS], sender=WRITER, dest=HUB)
        (other.inbound / f"{number:08x}.pkt").write_bytes(made)
        other.toss()

    return add


def _reading(session: NewsSession, faults: list[str]) -> Callable[[int], None]:
    """A newsreader: the newest article of each group is whole, and is what its number says.

    Other programs flush their index before their headers, so one of theirs may be whole only a moment later.
    """

    def fault(number: int) -> tuple[str, str]:
        try:
            headers, lines = session.article(number)
        except AssertionError as error:
            if "Could not read message header" not in str(error):
                raise
            return "", str(error)
        subject = headers["subject"]
        return subject, "" if lines[:1] == [first_line(subject)] else f"{subject!r}, {lines[:3]}"

    def look(_: int) -> None:
        for area in AREAS:
            last = session.group(area)[2]
            first = fault(last)[1]
            if not first:
                continue
            time.sleep(0.1)
            subject, still = fault(last)
            if still or subject.startswith("mail "):
                faults.append(f"{area} {last}: {first}; then {still or subject}")

    return look


def test_everything_of_everybody_is_there_once(tmp_path: Path) -> None:
    """Killed again and again beside three writers and two readers: each message once and whole, no broken base seen."""
    seed = random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    system = node(tmp_path / "node", areas=AREAS, toss={"batch_messages": 50})
    numbers = itertools.count(1)
    _deliver(system, numbers)
    assert system.toss().code == DONE
    bases = {area: system.bases / area.lower() for area in AREAS}
    faults: list[str] = []
    with ExitStack() as stack:
        other = stack.enter_context(
            Crashmail(address=HUB, links={WRITER: CrashmailLink(), US: CrashmailLink()}, areas=AREAS, bases=bases)
        )
        server = stack.enter_context(Jamnntpd(tmp_path / "news", bases, require_own("jamnntpd-i386")))
        watch = stack.enter_context(_watching(bases))
        posting, reading = (stack.enter_context(server.session()) for _ in range(2))
        writers = [Writer("bbs", _bbs(system)), Writer("news", _news(posting)), Writer("other", _tosser(other))]
        workers = [*writers, Writer("reader", _reading(reading, faults))]
        for worker in workers:
            stack.enter_context(worker.at_work())
        for _ in range(KILLS):
            _deliver(system, numbers)
            with system.start(wait=False) as daemon:
                born = len(daemon.log)
                while len(daemon.log) == born:
                    assert daemon.process.poll() is None, daemon.log
                    time.sleep(0.005)
                time.sleep(moments.uniform(0.0, LONGEST_LIFE))
                daemon.kill()
            for worker in workers:
                worker.wait(BETWEEN)
        with system.start() as daemon:
            daemon.wait_for(lambda: nothing_waits(system), what="empty inbounds")
            assert daemon.stop() == DONE
    faults += watch()
    expected = Counter(f"mail {number}" for number in range(1, next(numbers)))
    for writer in writers:
        expected.update(f"{writer.tag} {number}" for number in range(writer.rounds))
    for area in AREAS:
        found, unreadable = _contents(bases[area])
        assert unreadable == []
        assert found == expected, f"{area}: {found - expected} too many, {expected - found} missing"
    assert faults == []


@pytest.mark.parametrize(("tag", "faults"), [("bbs", 0), ("mail", 1)])
def test_the_watch_forgives_others_what_it_does_not_forgive_us(tmp_path: Path, tag: str, faults: int) -> None:
    """A message seen without its subfields, whole a moment later, is a fault if it is one of ours."""
    base, headers = tmp_path / "alpha", tmp_path / "alpha.jhr"
    jam_writer.append(base, b"All", b"%s 1" % tag.encode(), b"%s text 1\r" % tag.encode())
    whole = headers.read_bytes()
    watch = Watch(base)
    headers.write_bytes(whole[: FIXED_HEADER_LENGTH + MESSAGE_HEADER_LENGTH])
    watch.look()
    headers.write_bytes(whole)
    watch.settle()
    assert len(watch.account["faults"]) == faults
    assert watch.account["read"] == 1


def _deliver(system: Node, numbers: Iterator[int]) -> None:
    for number in range(PACKETS):
        group = list(itertools.islice(numbers, MESSAGES))
        letters = [_mail("mail", area, each, "1337:1/400") for each in group for area in AREAS]
        system.deliver(packet(letters), f"{group[0]:06x}{number:02x}.pkt")


@contextmanager
def _watching(bases: dict[str, Path]) -> Iterator[Callable[[], list[str]]]:
    """Have our own reader read the bases from another process; gives what it found wrong when it has ended."""
    command = [sys.executable, "-m", "tests.peers.jam_watch", *map(str, bases.values())]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        told: list[bytes] = []

        def account() -> list[str]:
            accounts = json.loads(told[0])
            assert all(each["read"] for each in accounts)
            return [fault for each in accounts for fault in each["faults"]]

        yield account
        told.append(process.communicate(timeout=60)[0])


def _contents(base: Path) -> tuple[Counter[str], list[str]]:
    """Count the messages of a base by subject; each must have its own text."""
    found: Counter[str] = Counter()
    unreadable = []
    for record in JamReader(base).records():
        if isinstance(record, Unreadable):
            unreadable.append(record.reason)
            continue
        subject = record.message.subject.decode("latin-1")
        assert record.text.decode("latin-1").splitlines()[0] == first_line(subject)
        found[subject] += 1
    return found, unreadable
