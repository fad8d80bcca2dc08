"""``tosser explain``: what would become of these files, and why; a dry run by the code that tosses, writing nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.cli.context import load, reading_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json
from tosser.cli.route import fate_of, say_fate
from tosser.reason import Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from tosser.config.model import Config

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help="Packets or bundles.", show_default=False, readable=False),
]
NetmailOption = Annotated[
    str | None,
    typer.Option("--netmail", metavar="ADDRESS", help="Instead of files: netmail to this address.", show_default=False),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="ADDRESS", help="The system that such a netmail comes from; default our own programs.",
        show_default=False,
    ),
]  # fmt: skip
ClassOption = Annotated[
    InboundClass | None,
    typer.Option(
        "--inbound",
        help="Class of the inbound they are taken to be in; default that of the inbound they are in, else secure.",
        show_default=False,
    ),
]
_SEEN = {
    "history": "seen before",
    "here": "seen before in these files",
    "no": "not seen before",
    None: "netmail without it is never a duplicate",
}


def explain(
    context: typer.Context,
    files: Files = None,
    *,
    inbound: ClassOption = None,
    netmail: NetmailOption = None,
    sender: FromOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what would become of packets and bundles if they were tossed now, in this order. Nothing is written.

    Ends with 4 when anything would be set aside, with 1 when a file cannot be read.
    """
    if bool(files) == bool(netmail):
        raise typer.BadParameter("name files, or an address with --netmail")
    if sender and not netmail:
        raise typer.BadParameter("--from goes with --netmail; files tell where they come from")
    if netmail and inbound and not sender:
        raise typer.BadParameter("--inbound is about what comes from a system: name it with --from")
    config = load(context)
    if netmail:
        facts = fate_of(netmail, config, sender=sender, cls=inbound)
        if as_json:
            say_json(facts)
        else:
            say_fate(facts)
    else:
        _explain_files(files or [], config, inbound, as_json=as_json)


def _explain_files(files: list[Path], config: Config, inbound: InboundClass | None, *, as_json: bool) -> None:
    from tosser.cli.dry_toss import DryToss  # noqa: PLC0415 - slow to import

    found, failed = [], False
    with reading_state(config) as state:
        toss = DryToss(config, state)
        for path in files:
            try:
                found.append(toss.explain(path, inbound or _class_of(path, config)))
            except OSError as error:
                complain(f"tosser: {path}: {error.strerror or error}")
                failed = True
    if as_json:
        say_json(found)
    else:
        for index, facts in enumerate(found):
            if index:
                say()
            _say_file(facts)
    if failed:
        raise typer.Exit(Exit.FAILED)
    if any(facts["set_aside"] for facts in found):
        raise typer.Exit(Exit.SET_ASIDE)


def _class_of(path: Path, config: Config) -> InboundClass:
    """Find the class of the inbound that a file is in, or in the work directory of."""
    from tosser.daemon.intake import inbounds  # noqa: PLC0415 - slow to import

    real = Path(os.path.realpath(path))
    roots = {Path(os.path.realpath(each.path)): each.cls for each in inbounds(config)}
    depths = {len(root.parts): cls for root, cls in roots.items() if real.is_relative_to(root)}
    return depths[max(depths)] if depths else InboundClass.SECURE


# --- for people


def _say_file(facts: dict[str, Any]) -> None:
    """Print one file: its packets, what would be set aside, and a line that sums it up."""
    say(f"{facts['file']}, as in {'an' if facts['inbound'] == 'insecure' else 'a'} {facts['inbound']} inbound")
    for packet in facts["packets"]:
        _say_packet(packet)
    for item in facts["set_aside"]:
        _say_aside(item)
    counts = ", ".join(f"{count} {reason}" for reason, count in facts["counts"].items())
    aside = len(facts["set_aside"])
    say(f"summary: {facts['state']}; messages: {counts or 'none'}; set aside: {aside or 'nothing'}")


def _say_packet(packet: dict[str, Any]) -> None:
    name = f"packet {packet['member']}" if packet["member"] else "packet"
    network = f" in {packet['network']}" if packet["network"] else ""
    link = "" if packet["link"] else ", which is no link"
    refused = f", refused: {packet['reason']}" if packet["reason"] else ""
    say(f"  {name} from {packet['from']}{link}, to {packet['to']}{network}, messages: {packet['count']}{refused}")
    for message in packet["messages"]:
        _say_message(message)


def _say_message(message: dict[str, Any]) -> None:
    say(f"    {message['number']} {message['area'] or 'netmail'}: {message['verdict']} ({message['why']})")
    subject, sender, to = (message[name].replace("\n", " ") for name in ("subject", "from", "to"))
    say(f'      "{subject}" from {sender} to {to}, offset {message["offset"]}')
    say(f"      MSGID {message['msgid'] or 'none'}, {_SEEN[message['seen_before']]}")
    held = "; held until it can go on" if Reason(message["verdict"]).held else ""
    say(f"      {_storage(message['stored_in'])}{held}")
    for link in message["links"]:
        how = f", {link['flavour']}" if link.get("flavour") else ""
        say(f"      sent on to {link['link']}{how}" if link["gets"] else f"      not to {link['link']}: {link['why']}")
    for answer in message["answers"]:
        say(f"      {_answer(answer)}")


def _answer(answer: dict[str, Any]) -> str:
    if answer["robot"]:
        return f"given to robot {answer['robot']}"
    what = f"{answer['kind']} from {answer['from']} to {answer['to']}"
    return f"not answered ({answer['withheld']}): {what}" if answer["withheld"] else f"answered: {what}"


def _storage(target: dict[str, Any] | None) -> str:
    if target is None:
        return "dropped"
    if target["path"] is None:
        return "not kept here" if target["kind"] == "netmail" else f"not stored ({target['store']})"
    area = f" of bad area {target['area']}" if target["kind"] == "bad" else ""
    return f"stored in the {target['store']} base{area}: {target['path']}"


def _say_aside(item: dict[str, Any]) -> None:
    what = f"member {item['member']}" if item["member"] else "the file"
    where = f" at offset {item['offset']}" if item["offset"] is not None else ""
    also = "; its messages are tossed all the same" if item["tossed"] else ""
    say(f"  set aside: {what}, {item['state']}, {item['reason']}{where}: {item['what']}{also}")
