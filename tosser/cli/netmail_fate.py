"""What would become of a netmail to an address: judged by the code that tosses, told as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tosser.codec.kludge import Intl, build_intl, build_number
from tosser.codec.message import build_text, split_text
from tosser.codec.packed_message import PackedMessage
from tosser.codec.packet_header import PacketHeader, PacketType
from tosser.daemon.nodelists import build_nodelists
from tosser.rules.answering import bounces
from tosser.rules.batch import PacketSummary
from tosser.rules.network import InboundClass, closest
from tosser.rules.policy import judge_packet
from tosser.rules.routing import passed_over
from tosser.rules.transit import FILE_ATTACHED, Attachments, NetmailJudge

if TYPE_CHECKING:
    from tosser.address import Address
    from tosser.config.model import Config
    from tosser.rules.network import Rulebook
    from tosser.rules.transit import Fate

_FILE = "file.zip"


def with_nodelists(rules: Rulebook, config: Config) -> Rulebook:
    """Have the nodelists of the configuration say who is above whom."""
    nodelists = build_nodelists(config)
    return replace(rules, nodelist=nodelists.current) if nodelists.lists else rules


def netmail_facts(
    address: Address, rules: Rulebook, *, sender: Address | None = None, cls: InboundClass, files: bool = False
) -> dict[str, Any]:
    """Tell what would become of a netmail, and why.

    Args:
        address: whom it is to.
        rules: the sysop's world.
        sender: the system that sends it to us; ``None`` for our own programs.
        cls: class of the inbound it would come in.
        files: whether files are attached; they are taken to be there.
    """
    aka = closest(rules.akas, address)
    source = sender or aka
    cls = cls if sender else InboundClass.LOCAL
    fate = _judge(address, source, rules, cls=cls, files=files)
    proven = cls is not InboundClass.INSECURE or any(link.packet_password for link in rules.links_at(source))
    return {
        "to": str(address),
        "from": str(source.without_domain),
        "inbound": cls.value,
        "files": files,
        "verdict": fate.reason.value,
        "means": fate.reason.text,
        "why": fate.why or None,
        "line": fate.way.line if fate.way else None,
        "bounced": bounces(fate.reason, rules, proven=proven),
        "passed_over": list(passed_over(address, rules, files=files)) if fate.way else [],
        "links": [
            {
                "link": str(onward.link.without_domain),
                "name": link.name,
                "network": link.network,
                "flavour": (onward.flavour or link.flavour).value,
                "direct": onward.direct,
                "dest": str(onward.dest.without_domain) if onward.dest else None,
                "known": link.known,
            }
            for onward in fate.onward
            if (link := rules.links.get(onward.link) or rules.stranger(onward.link)) is not None
        ],
    }


def _judge(address: Address, sender: Address, rules: Rulebook, *, cls: InboundClass, files: bool) -> Fate:
    """Judge a message that is made up, with the password that its sender would give."""
    link = next(iter(rules.links_at(sender)), None)
    aka = link.our_aka if link else closest(rules.akas, sender)
    header = PacketHeader(PacketType.TYPE_2PLUS, sender, aka, link.packet_password if link else b"")
    packet = judge_packet(header, cls, PacketSummary(1, echomail=False), rules)
    kludges = [b"INTL " + build_intl(Intl(address, sender))]
    kludges += [b"TOPT " + build_number(address.point)] if address.point else []
    text = build_text(kludges=kludges)
    message = PackedMessage(
        0, sender.node, address.node, sender.net, address.net, FILE_ATTACHED if files else 0, 0,
        b"", b"", b"", _FILE.encode("ascii") if files else b"", text,
    )  # fmt: skip
    judge = NetmailJudge(header, packet, rules, (), cls=cls, files=Attachments({(cls, _FILE): _FILE}))
    return judge.judge(message, split_text(text), None)
