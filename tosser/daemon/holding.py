"""Links on hold: their files wait in the work directory, under their claims, until somebody releases the link.

A hold is a row in the state, so a file may be on either side when a process dies: what waits for a link that is not on
hold goes back among the claimed files, and what is claimed from one that is goes to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tosser.rules.batch import PacketSummary
from tosser.rules.network import InboundClass
from tosser.rules.policy import judge_packet
from tosser.rules.shipping import LinkKey
from tosser.rules.storm import Intake, intake_of, limited, storm
from tosser.state.holds import Hold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tosser.daemon.conditions import Conditions
    from tosser.inbound.reading import Reader
    from tosser.inbound.spool import ClaimedFile, Spool
    from tosser.rules.decision import Decision
    from tosser.rules.network import Link, Rulebook
    from tosser.state.state import State

log = structlog.get_logger()

AUTO = "auto"
_SUBJECT = "hold of"
_ANY_ECHOMAIL = PacketSummary(messages=1, echomail=True)


class Holding:
    """Keeps apart what comes from links on hold, and puts links there that send too much.

    Args:
        spool: the inbound directories.
        reader: reads claimed files.
        state: the holds, and what is counted.
        conditions: takes what is wrong.
        rules: the sysop's world.
    """

    def __init__(self, spool: Spool, reader: Reader, state: State, conditions: Conditions, rules: Rulebook) -> None:
        self._spool = spool
        self._reader = reader
        self._state = state
        self._conditions = conditions
        self._rules = rules
        self._limited = {LinkKey.of(link): link for link in rules.links.values() if limited(link)}
        self._links: frozenset[LinkKey] = frozenset()
        self._begun = False

    @property
    def links(self) -> frozenset[LinkKey]:
        """The links on hold."""
        return self._links

    def heed(self) -> list[str]:
        """Take note of links that were put on hold or released since; gives the claims of files that wait no longer.

        Raises:
            StateError: the state database cannot be used.
            OSError: a file cannot be moved.
        """
        holds = self._state.held_links()
        links = frozenset(entry.link for entry in holds)
        if self._begun and links == self._links:
            return []
        over = self._links - links if self._begun else frozenset()
        subjects = {_subject(link) for link in over} | self._subjects_of_earlier_lives()
        said = {_subject(entry.link): _sentence(entry) for entry in holds}
        self._conditions.say(dict.fromkeys(subjects - said.keys(), "") | said)
        self._links = links
        back = [held for held in self._spool.held() if held.link not in links]
        for held in back:
            self._spool.unhold(held)
        for link in over:
            log.info("link_released", link=link.address, network=link.network)
        self._begun = True
        return [held.file.claim for held in back]

    def _subjects_of_earlier_lives(self) -> set[str]:
        if self._begun:
            return set()
        return {each.subject for each in self._state.conditions() if each.subject.startswith(f"{_SUBJECT} ")}

    def keep_apart(self, files: Sequence[ClaimedFile]) -> list[ClaimedFile]:
        """Have the files of links on hold wait, and give the others.

        Raises:
            InputError: a file cannot be read.
            OSError: a file cannot be moved.
        """
        if not self._links:
            return list(files)
        others = []
        for file in files:
            sender = self._sender(file)
            if sender in self._links:
                self._spool.hold(file, sender)
                log.info("file_held", file=file.name, claim=file.claim, link=sender.address, network=sender.network)
            else:
                others.append(file)
        return others

    def _sender(self, file: ClaimedFile) -> LinkKey | None:
        """Tell whose file it is, where its first packet proves that."""
        if file.inbound.cls is InboundClass.LOCAL:
            return None
        header = self._reader.first_header(file)
        if header is None:
            return None
        verdict = judge_packet(header, file.inbound.cls, _ANY_ECHOMAIL, self._rules)
        return LinkKey.of(verdict.link) if verdict.link and verdict.reason is None else None

    def waiting(self) -> int:
        """Tell how many files wait for links on hold."""
        return len(self._spool.held()) if self._links else 0

    def count(self, decision: Decision) -> dict[LinkKey, Intake]:
        """Count what a batch brought from links that have a limit."""
        return intake_of(decision, self._limited) if self._limited else {}

    def watch(self, intake: Mapping[LinkKey, Intake], now: float) -> bool:
        """Put the links on hold that sent too much; tells whether there was one.

        Args:
            intake: what a batch brought, committed already.
            now: Unix seconds.

        Raises:
            StateError: the state database cannot be used.
        """
        if not intake:
            return False
        stormy = False
        for key, hour in self._state.intake_within_hour(intake, now).items():
            why = storm(self._limited[key], hour)
            if why and key not in self._links:
                self._hold(self._limited[key], Hold(key, now, AUTO, why))
                stormy = True
        return stormy

    def _hold(self, link: Link, entry: Hold) -> None:
        self._state.hold_link(entry)
        self._links |= {entry.link}
        log.warning("link_held", link=str(link.address.without_domain), network=link.network, why=entry.why)
        self._conditions.say({_subject(entry.link): _sentence(entry)})


def _subject(link: LinkKey) -> str:
    return f"{_SUBJECT} {link.address} in {link.network}"


def _sentence(entry: Hold) -> str:
    return f"nothing is tossed from it: {entry.why}; `tosser link release` ends that"
