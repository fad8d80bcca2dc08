"""The inbound side put together from a configuration; also for commands that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.inbound.ahead import AheadReader
from tosser.inbound.held import HeldMail
from tosser.inbound.postbox import PostBox
from tosser.inbound.reading import Reader, ReadingLimits
from tosser.inbound.spool import Inbound, Spool
from tosser.inbound.unpack import ArchiveLimits, Archiver
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.codec.bundle import ArchiveType
    from tosser.config.model import Config
    from tosser.inbound.helper import Helper


def inbounds(config: Config) -> list[Inbound]:
    """List the inbound directories with their classes, our own post boxes last."""
    given = config.paths.inbound
    classes = (
        (InboundClass.SECURE, given.secure),
        (InboundClass.INSECURE, given.insecure),
        (InboundClass.LOCAL, given.local),
    )
    listed = [Inbound(path, cls) for cls, paths in classes for path in paths]
    return [*listed, *(box.inbound for box in post_boxes(config))]


def post_boxes(config: Config) -> tuple[PostBox, PostBox]:
    """Give the post box, and the one for messages that were found in the bases of their areas."""
    return PostBox(config.paths.state), PostBox(config.paths.state, stored=True)


def build_spool(config: Config) -> Spool:
    """Make the spool of the inbound directories, and of held netmail that goes on."""
    return Spool([*inbounds(config), *HeldMail(config.paths.state).inbounds()], config.toss.settle)


def build_reader(config: Config, helper: Helper | None = None) -> Reader:
    """Make the reader of claimed files, one that leaves backlogs to a helper if there is one."""
    limits = ReadingLimits(config.limits.file, config.limits.text, archive_limits(config))
    archivers, batch_messages = build_archivers(config), config.toss.batch_messages
    if helper is None:
        return Reader(limits, archivers, batch_messages)
    sends = config.paths.outbound is not None and len(config.links) > 1
    return AheadReader(limits, archivers, batch_messages, helper, lists=sends)


def archive_limits(config: Config) -> ArchiveLimits:
    """Give the bounds on archives."""
    limits = config.limits
    return ArchiveLimits(limits.archive.members, limits.packet, limits.archive.bytes, limits.archive.ratio)


def build_archivers(config: Config) -> Mapping[ArchiveType, Archiver]:
    """List the programs for foreign archive formats, by format."""
    timeout = config.limits.archive.time
    return {
        kind: Archiver(name, entry.unpack, timeout)
        for name, entry in config.archivers.items()
        for kind in entry.formats
    }
