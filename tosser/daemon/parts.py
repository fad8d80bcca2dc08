"""The parts of a running tosser, put together from a configuration: the one place that knows all of them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from tosser import __version__, disk
from tosser.config.derived import command_rules, hooks_of
from tosser.config.kinds import SyncMode
from tosser.config.world import build_rulebook
from tosser.daemon.answering import Answering
from tosser.daemon.conditions import Conditions
from tosser.daemon.dispatch import build_sending
from tosser.daemon.holding import Holding
from tosser.daemon.hooks import HookRunner
from tosser.daemon.intake import archive_limits, build_archivers, build_reader, build_spool, inbounds, post_boxes
from tosser.daemon.nodelists import build_nodelists
from tosser.daemon.pipeline import Pipeline
from tosser.daemon.posts import AcceptedPosts
from tosser.daemon.report import Reporter
from tosser.daemon.robots import RobotRunner
from tosser.daemon.room import build_room
from tosser.daemon.scanning import Scanning, build_scanner
from tosser.daemon.storing import Storing
from tosser.daemon.transit import Releasing
from tosser.daemon.upkeep import Linker
from tosser.errors import StateError, said
from tosser.events.event import Node, source_of
from tosser.events.payloads import dropped_event
from tosser.events.settings import MqttSettings, MqttVersion, TlsSettings
from tosser.inbound.aside import AsideKeeper
from tosser.inbound.held import HeldMail
from tosser.inbound.postbox import PostBox
from tosser.inbound.quarantine import Quarantine
from tosser.inbound.watch import BASES, Watcher
from tosser.state.state import DATABASE_NAME
from tosser.stores.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tosser.address import Address
    from tosser.config.model import Config
    from tosser.config.services import Mqtt
    from tosser.daemon.nodelists import Nodelists
    from tosser.daemon.sending import Sending
    from tosser.events.publisher import Publisher
    from tosser.events.receiver import Receiver
    from tosser.inbound.helper import Helper
    from tosser.inbound.spool import Spool
    from tosser.rules.network import Rulebook
    from tosser.state.lock import StateLock
    from tosser.state.state import State

log = structlog.get_logger()

_NO_TOPICS = "ftn"
"""Prefix of topics that nobody sees: without a broker events are made for hooks only."""
_ENVELOPE = 65536
"""Bytes of a request by MQTT that are left for all that is not its payload."""


class Parts(Struct, frozen=True):
    """What works under one configuration."""

    rules: Rulebook
    spool: Spool
    shelf: Shelf
    storing: Storing
    pipeline: Pipeline
    robots: RobotRunner
    hooks: HookRunner
    linker: Linker
    sending: Sending
    nodelists: Nodelists
    scanning: Scanning
    watcher: Watcher
    base_watcher: Watcher
    publisher: Publisher | None
    receiver: Receiver | None
    node: Node | None
    state: State
    conditions: Conditions

    def tell_dropped(self, events: int, now: float) -> None:
        """Let subscribers know of a gap."""
        if self.node is not None:
            event = dropped_event(self.node, id=f"dropped/{now:.6f}", time=now, events=events)
            self.state.add_events([(event.id, event.topic, event.payload)], now)

    def close(self) -> None:
        """Link what is not linked yet, close what holds files, and end what has threads.

        Raises:
            OSError: the disk failed again.
        """
        try:
            self.linker.round()
            self.storing.sync_leftovers()
        finally:
            self.pipeline.close()
            self.robots.close()
            self.shelf.close()


def build_parts(
    config: Config,
    state: State,
    *,
    helper: Helper | None = None,
    link: bool = True,
    conditions: Conditions | None = None,
    since: float | None = None,
    beat: Callable[[], None] = lambda: None,
    stopping: Callable[[], bool] = lambda: False,
    clock_trusted: Callable[[], bool] = lambda: True,
) -> Parts:
    """Put everything together.

    Args:
        config: a configuration that passed its check.
        state: the database, locked by this process.
        helper: reads backlogs; without one they are read in this process.
        link: whether reply links are made, if the configuration does not say otherwise.
        conditions: takes what is wrong; default one of its own.
        since: when the process started, Unix seconds; default now.
        beat: called after every step of the toss.
        stopping: asked between batches whether to end.
        clock_trusted: tells whether the clock can be trusted.

    Raises:
        StateError: a work directory cannot be made.
    """
    rules = build_rulebook(config)
    node = build_node(config)
    held = HeldMail(config.paths.state)
    try:
        held.prepare()
        spool = build_spool(config)
        spool.prepare()
    except OSError as error:
        raise StateError(said(error)) from error
    conditions = conditions or Conditions(state, node)
    conditions.speak_as(node)
    shelf = Shelf()
    linker = Linker(active=link and config.maintenance.link)
    sending = build_sending(config, rules, state, conditions)
    archivers = build_archivers(config)
    box = PostBox(config.paths.state)
    posts = AcceptedPosts(box, state)
    reader = build_reader(config, helper)
    synced = config.toss.sync is SyncMode.FULL
    storing = Storing(shelf, state, lock_wait=config.toss.lock_wait, synced=synced, beat=beat)
    scanner = build_scanner(config, rules, state, spool, linker.note)
    scanning = Scanning(config, rules, state, scanner, conditions)
    pipeline = Pipeline(
        spool=spool,
        reader=reader,
        keeper=AsideKeeper(Quarantine(config.paths.state), archive_limits(config), archivers),
        state=state,
        storing=storing,
        sending=sending,
        holding=Holding(spool, reader, state, conditions, rules),
        room=build_room(config),
        answering=Answering(box, spool, state, rules),
        posts=posts,
        reporter=Reporter(rules, node or Node(_NO_TOPICS, source_of(main_address(rules))), published=node is not None),
        scanning=scanning,
        releasing=Releasing(held, inbounds(config), build_reader(config), state),
        rules=rules,
        appended=linker.note,
        beat=beat,
        stopping=stopping,
    )
    nodelists = build_nodelists(config)
    if nodelists.lists:
        pipeline.use_nodelist(nodelists.current)
    robots = RobotRunner(state, conditions, rules, config.paths.state, stopping)
    hooks = HookRunner(hooks_of(config.hooks), state, conditions, config.paths.state, clock_trusted)
    watcher = Watcher([inbound.path for inbound in inbounds(config)], config.toss.poll)
    publisher = None
    if config.mqtt is not None and node is not None:
        from tosser.daemon.outbox import StateOutbox  # noqa: PLC0415 - who has no broker need not wait for its library
        from tosser.events.publisher import Publisher  # noqa: PLC0415 - as above

        publisher = Publisher(
            mqtt_settings(config.mqtt, main_address(rules)),
            StateOutbox(state, node, sending.standing),
            node,
            version=__version__,
            started=time.time() if since is None else since,
        )
    return Parts(
        rules=rules,
        spool=spool,
        shelf=shelf,
        storing=storing,
        pipeline=pipeline,
        robots=robots,
        hooks=hooks,
        linker=linker,
        sending=sending,
        nodelists=nodelists,
        scanning=scanning,
        watcher=watcher,
        base_watcher=Watcher(scanning.directories, config.scan.poll, BASES),
        publisher=publisher,
        receiver=build_receiver(config, rules, state, posts=posts, conditions=conditions, wake=watcher.wake),
        node=node,
        state=state,
        conditions=conditions,
    )


def build_receiver(
    config: Config,
    rules: Rulebook,
    state: State,
    *,
    posts: AcceptedPosts,
    conditions: Conditions,
    wake: Callable[[], None],
) -> Receiver | None:
    """Make what listens for requests to post; ``None`` where the configuration lets nobody."""
    if config.mqtt is None or config.mqtt.commands is None:
        return None
    from tosser.daemon.commands import CommandDesk  # noqa: PLC0415 - as below
    from tosser.events.receiver import Receiver  # noqa: PLC0415 - who has no broker need not wait for its library

    commands = command_rules(config.mqtt.commands)
    desk = CommandDesk(config, rules, commands, state=state, posts=posts, conditions=conditions, wake=wake)
    settings = mqtt_settings(config.mqtt, main_address(rules))
    return Receiver(settings, config.mqtt.prefix, desk, largest=2 * commands.max_request + _ENVELOPE)


def make_directories(config: Config) -> None:
    """Make the directories that are ours: state, the post boxes in it, and bases.

    The inbounds belong to the mailer and are left to the sysop.

    Raises:
        StateError: one cannot be made.
    """
    for path in _own_directories(config):
        try:
            disk.make_directory(path)
        except OSError as error:
            raise StateError(said(error, path)) from error


def _own_directories(config: Config) -> tuple[Path, ...]:
    return config.paths.state, *(box.path for box in post_boxes(config)), config.paths.bases


def sync_leftovers(config: Config, lock: StateLock) -> None:
    """After a process that did not end well, have all that it wrote on the disk before anything is built on it.

    What such a process wrote is seen by us, and may be lost in a power cut while what we do because of it is not: a
    message would be found in its base and its packet deleted, and then only the base would forget.
    """
    if not lock.left_behind or config.toss.sync is not SyncMode.FULL:
        return
    if not (config.paths.state / DATABASE_NAME).exists():  # it can have made directories, and no more
        for directory in {parent for path in _own_directories(config) for parent in path.parents}:
            with suppress(PermissionError):  # not ours, so it was there
                disk.sync_directory(directory)
    else:
        log.info("syncing_leftovers", why="nothing says that the tosser before ended well")
        disk.sync_everything()


def build_node(config: Config) -> Node | None:
    """Say who speaks on the broker; ``None`` without a broker."""
    if config.mqtt is None:
        return None
    return Node(config.mqtt.prefix, source_of(main_address(build_rulebook(config))))


def main_address(rules: Rulebook) -> Address:
    """Give the address the node goes by: the main one of the first network."""
    return next(iter(rules.networks.values())).main


def mqtt_settings(mqtt: Mqtt, main: Address) -> MqttSettings:
    """Say how to reach the broker."""
    tls = None
    if mqtt.url.tls:
        given = mqtt.tls
        tls = TlsSettings(given.ca, given.cert, given.key) if given else TlsSettings()
    return MqttSettings(
        host=mqtt.url.host,
        port=mqtt.url.port,
        client_id=mqtt.client_id or f"tosser-{main.without_domain}",
        username=mqtt.username or "",
        password=mqtt.password.get_secret_value() if mqtt.password else "",
        tls=tls,
        version=MqttVersion(mqtt.version.value),
        window=mqtt.window,
        keepalive=int(mqtt.keepalive),
    )
