"""The outbound side put together from a configuration; also for commands that only look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tosser.outbound.bso import Backlog, Bso
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tosser.rules.network import Link, Rulebook
    from tosser.rules.shipping import StagedMail
    from tosser.state.state import State


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one link.

    Attributes:
        link: the link.
        staged: packets that are not yet where the mailer finds them; ``None`` when there are none.
        outbound: what the mailer finds.
    """

    link: Link
    staged: StagedMail | None
    outbound: Backlog

    @property
    def total(self) -> Backlog:
        """Both together."""
        if self.staged is None:
            return self.outbound
        return self.outbound + Backlog(self.staged.packets, self.staged.size, self.staged.oldest)


def build_bso(root: Path, rules: Rulebook, identity: Callable[[], int]) -> Bso:
    """Make the outbound: its root is the directory of the first network's main zone."""
    main = next(iter(rules.networks.values())).main
    return Bso(root, main.domain, main.zone, identity)


def key_of(link: Link) -> LinkKey:
    """Name a link as the state knows it."""
    return LinkKey(link.network, str(link.address.without_domain))


def queues(root: Path, rules: Rulebook, state: State | None) -> list[Queue]:
    """Look at what waits for every link; ``state`` is ``None`` before anything was ever tossed."""
    bso = build_bso(root, rules, lambda: 0)
    staged = {mail.link: mail for mail in state.staged_mail()} if state else {}
    links = sorted(rules.links.values(), key=lambda link: link.address)
    return [Queue(link, staged.get(key_of(link)), bso.backlog(link.address)) for link in links]
