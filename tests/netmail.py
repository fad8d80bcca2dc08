"""Netmail as a node has it: on its way out, held, and in its base; read by the field tables of `tests.packets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from tests.mail import EPOCH, HUB, US, fido_date, packed, split_address
from tests.packets import messages_in, packets_in
from tosser.codec.jam import JamAttribute
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.packets import Taken
    from tests.peers.daemon import Node
    from tosser.stores.jam_reader import JamMessage

LETTERS: Final = {"normal": "f", "hold": "h", "direct": "d", "crash": "c", "immediate": "i"}


def letter(
    *,
    number: int = 1,
    author: str = HUB,
    addressee: str = US,
    to_name: bytes = b"Jane Sysop",
    subject: bytes = b"Hello",
    attributes: int = 0x0001,
    vias: tuple[str, ...] = (),
    msgid: bool = True,
    body: bytes = b"This is for you alone.\r",
) -> bytes:
    """Build a packed netmail, with Via lines if it has passed other systems."""
    zone, net, node, point = split_address(author)
    to_zone, to_net, to_node, to_point = split_address(addressee)
    lines = [f"INTL {to_zone}:{to_net}/{to_node} {zone}:{net}/{node}"]
    lines += [f"FMPT {point}"] if point else []
    lines += [f"TOPT {to_point}"] if to_point else []
    lines += [f"MSGID: {author} {number:08x}"] if msgid else []
    top = "".join(f"\x01{line}\r" for line in lines).encode("ascii")
    end = "".join(f"\x01Via {system} @20261101.080000.UTC Mailer 1.0\r" for system in vias).encode("ascii")
    return packed(
        top + body + end,
        sender=author,
        dest=addressee,
        to_name=to_name,
        subject=subject,
        date=fido_date(EPOCH),
        attributes=attributes,
    )


def change(system: Node, **netmail: object) -> None:
    """Lay keys over the netmail section of a node's configuration."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["netmail"] |= netmail
    system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")


def flow_of(system: Node, link: str, flavour: str = "normal") -> list[Path]:
    """List the files that a flow file of a link names, in its order; what is not there means nothing to a mailer."""
    _, net, node, point = split_address(link)
    stem = f"{net:04x}{node:04x}"
    name = f"{stem}.pnt/{point:08x}" if point else stem
    path = system.outbound / f"{name}.{LETTERS[flavour]}lo"
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [file for line in lines if (file := type(path)(line.lstrip("^#"))).is_file()]


def sent(system: Node, link: str, flavour: str = "normal") -> list[Taken]:
    """Read the messages that wait for a link."""
    files = [path for path in flow_of(system, link, flavour) if path.parent.parent.name != ".attached"]
    return [message for data in packets_in(files) for message in messages_in(data)]


def attached(system: Node, link: str, flavour: str = "normal") -> list[Path]:
    """List the files that wait for a link besides packets."""
    return [path for path in flow_of(system, link, flavour) if path.parent.parent.name == ".attached"]


def in_base(system: Node) -> list[JamMessage]:
    """Read the netmail base."""
    if not (system.bases / "netmail.jhr").exists():
        return []
    return list(JamReader(system.bases / "netmail").messages())


def in_transit(system: Node) -> Iterator[JamMessage]:
    """Give the messages of the base that are on their way to others."""
    return (entry for entry in in_base(system) if entry.header.attribute & JamAttribute.INTRANSIT)


def vias(message: Taken) -> list[str]:
    """Give the systems of the Via lines, in their order."""
    return [line.split()[1].decode("ascii") for line in message.text.split(b"\r") if line.startswith(b"\x01Via ")]
