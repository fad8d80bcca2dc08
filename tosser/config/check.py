"""Cross references: what takes two values of the configuration to see.

Networks, links, areas, routes and base paths are checked by building the world (`tosser.config.world`); here are the
sections around them. What could not be read is left out and named by `Gaps`, so every complaint stands on its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.config.commands import check_commands
from tosser.config.complaint import Complaint, Gaps, suggest
from tosser.config.hooks import check_hooks
from tosser.config.nodelists import check_nodelists
from tosser.config.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tosser.config.model import Config
    from tosser.config.source import Location

_BUILT_IN = frozenset({"zip", "none"})
"""Archivers that need no entry."""


def check(config: Config, gaps: Gaps) -> list[Complaint]:
    """List everything that does not fit together."""
    world = World(config, gaps) if gaps.locations else config.world
    return [
        *world.complaints,
        *_check_paths(config, gaps),
        *_check_fileboxes(config, gaps),
        *check_nodelists(config.nodelists, list(config.networks), gaps),
        *check_hooks(config.hooks, _hooks_named(config), gaps),
        *_check_archivers(config, gaps),
        *_check_mqtt(config, gaps),
    ]


def _check_paths(config: Config, gaps: Gaps) -> Iterator[Complaint]:
    paths = config.paths
    inbounds = _inbounds(config)
    if not inbounds and not gaps.touch("paths"):
        yield Complaint(("paths", "inbound"), "at least one inbound directory is needed")
    if paths.outbound is not None:
        for name, path in (("state", paths.state), ("bases", paths.bases)):
            if paths.outbound == path:
                yield Complaint(("paths", "outbound"), f"{path} is also paths.{name}")
    seen: dict[Path, Location] = {}
    for location, inbound in inbounds:
        first = seen.setdefault(inbound, location)
        if first != location:
            yield Complaint(location, f"{inbound} is listed before", other=first)
        if inbound.is_relative_to(paths.state):
            yield Complaint(location, f"an inbound directory cannot be inside paths.state, {paths.state}")
        if inbound in {paths.outbound, paths.bases}:
            yield Complaint(location, f"{inbound} is also paths.{'outbound' if inbound == paths.outbound else 'bases'}")


def _inbounds(config: Config) -> list[tuple[Location, Path]]:
    return [
        (("paths", "inbound", name, index), path)
        for name in ("secure", "insecure", "local")
        for index, path in enumerate(getattr(config.paths.inbound, name))
    ]


def _check_fileboxes(config: Config, gaps: Gaps) -> Iterator[Complaint]:
    """Refuse file boxes that two links would share, and those that something else reads or keeps its files in."""
    paths = config.paths
    taken = {paths.state: "paths.state", **{path: f"inbound {path}" for _, path in _inbounds(config)}}
    seen: dict[Path, Location] = {}
    for index, link in enumerate(config.links):
        location, box = ("links", index, "filebox"), link.filebox
        if box is None:
            continue
        first = seen.setdefault(box, location)
        if first != location:
            yield Complaint(location, f"{box} is given before", other=first)
        if paths.outbound is None and not gaps.touch("paths"):
            yield Complaint(location, "nothing is sent, to file boxes either, without paths.outbound")
        if box in {paths.outbound, paths.bases}:
            yield Complaint(location, f"{box} is also paths.{'outbound' if box == paths.outbound else 'bases'}")
        for path, name in taken.items():
            if box.is_relative_to(path):
                yield Complaint(location, f"a file box cannot be inside {name}")


def _hooks_named(config: Config) -> Iterator[tuple[Location, tuple[str, ...]]]:
    yield ("area_defaults", "on_message"), config.area_defaults.on_message
    for index, area in enumerate(config.areas):
        if area.on_message:
            yield ("areas", index, "on_message"), area.on_message


def _check_archivers(config: Config, gaps: Gaps) -> Iterator[Complaint]:
    formats: dict[str, str] = {}
    for name, archiver in config.archivers.items():
        if name in _BUILT_IN:
            yield Complaint(("archivers", name), f"{name!r} is built in; choose another name", key=True)
        for index, kind in enumerate(archiver.formats):
            first = formats.setdefault(kind, name)
            if first != name:
                yield Complaint(
                    ("archivers", name, "formats", index), f"format {kind} is unpacked by {first!r} already"
                )
    users: list[tuple[Location, str]] = [(("link_defaults", "archiver"), config.link_defaults.archiver)]
    users += [(("links", index, "archiver"), link.archiver) for index, link in enumerate(config.links) if link.archiver]
    for location, name in users:
        if name in _BUILT_IN or gaps.touch("archivers", name):
            continue
        if name not in config.archivers:
            hint = suggest(name, [*sorted(_BUILT_IN), *config.archivers]) or "zip, none, or an entry of `archivers`"
            yield Complaint(location, f"unknown archiver {name!r}", hint)
        elif config.archivers[name].pack is None:
            yield Complaint(location, f"archiver {name!r} has no `pack` command")


def _check_mqtt(config: Config, gaps: Gaps) -> Iterator[Complaint]:
    mqtt = config.mqtt
    if mqtt is None:
        return
    if mqtt.tls is not None:
        if not mqtt.url.tls:
            yield Complaint(("mqtt", "tls"), "certificates need an mqtts:// url")
        if (mqtt.tls.cert is None) != (mqtt.tls.key is None) and not gaps.touch("mqtt", "tls"):
            yield Complaint(("mqtt", "tls"), "cert and key need each other")
    if mqtt.password is not None and mqtt.username is None and not gaps.touch("mqtt", "username"):
        yield Complaint(("mqtt", "password"), "a password needs a username")
    yield from check_commands(mqtt.commands, mqtt.version, [area.tag for area in config.areas], gaps)
