"""The outbound side put together from a configuration; also for commands that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tosser.address import Address
from tosser.config.kinds import SyncMode
from tosser.daemon.sending import Outgoing, Sending
from tosser.errors import StateError, said
from tosser.outbound.bso import Backlog, Bso
from tosser.outbound.busy import STALE_SECONDS
from tosser.outbound.program import PackProgram
from tosser.outbound.ship import Shipper, box_backlog
from tosser.outbound.staging import Staging
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tosser.config.model import Config
    from tosser.daemon.conditions import Conditions
    from tosser.rules.network import Link, Rulebook
    from tosser.rules.shipping import StagedMail
    from tosser.state.state import State


class Queue(Struct, frozen=True):
    """What waits for one system.

    Attributes:
        link: a link, or a system that is none and gets netmail all the same (``noroute``).
        staged: packets that are not yet where the mailer finds them; ``None`` when there are none.
        outbound: what the mailer finds, in the outbound or the link's file box.
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


def build_bso(
    root: Path, rules: Rulebook, identity: Callable[[], int] = lambda: 0, stale: float = STALE_SECONDS
) -> Bso:
    """Make the outbound: its root is the directory of the first network's main zone.

    Args:
        root: that directory.
        rules: the networks.
        identity: what tells our locks from those of others; only for whoever takes locks.
        stale: seconds after which another's lock means nothing.
    """
    main = next(iter(rules.networks.values())).main
    return Bso(root, main.domain, main.zone, identity, stale=stale)


def build_sending(config: Config, rules: Rulebook, state: State, conditions: Conditions) -> Sending:
    """Make what sends mail on; without an outbound, it sends nothing.

    Raises:
        StateError: the outbound cannot be made.
    """
    root = config.paths.outbound
    if root is None:
        return Sending(rules, state, None, conditions)
    synced = config.toss.sync is SyncMode.FULL
    staging = Staging(root, synced=synced)
    bso = build_bso(root, rules, state.outbound_identity, config.toss.bsy_stale)
    try:
        staging.prepare()
        bso.release_leftovers(link.address for link in rules.links.values())
    except OSError as error:
        raise StateError(said(error, root)) from error
    programs = _pack_programs(config)
    shipper = Shipper(bso, staging, state, programs=programs, level=config.toss.zip_level, synced=synced)
    return Sending(rules, state, Outgoing(staging, shipper), conditions)


def _pack_programs(config: Config) -> dict[str, PackProgram]:
    timeout = config.limits.archive.time
    return {
        name: PackProgram(name, entry.formats[0], entry.pack, timeout)
        for name, entry in config.archivers.items()
        if entry.pack is not None
    }


def queues(root: Path, rules: Rulebook, state: State | None) -> list[Queue]:
    """Look at what waits for every link, and for systems that are none.

    Args:
        root: the outbound.
        rules: the sysop's world.
        state: tells what is staged; ``None`` before anything was ever tossed.
    """
    bso = build_bso(root, rules)
    staged = {mail.link: mail for mail in state.staged_mail()} if state else {}
    links = sorted(rules.links.values(), key=lambda link: link.address)
    strangers = sorted(_strangers(bso, rules, staged), key=lambda link: link.address)
    found = [
        Queue(link, staged.get(LinkKey.of(link)), bso.backlog(link.address) + box_backlog(link))
        for link in (*links, *strangers)
    ]
    return [queue for queue in found if queue.link.known or queue.total.files]


def _strangers(bso: Bso, rules: Rulebook, staged: Iterable[LinkKey]) -> list[Link]:
    """Find the systems that are no links and that something is staged for, or in the outbound."""
    named = {
        replace(Address.parse(key.address), domain=rules.networks[key.network].domain)
        for key in staged
        if key.network in rules.networks
    }
    for network in rules.networks.values():
        for zone in network.zones:
            named |= bso.systems(zone, network.domain)
    return [link for link in map(rules.stranger, named - rules.links.keys()) if link is not None]
