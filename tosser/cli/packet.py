"""``tosser packet``: a look into packets and bundles, byte by byte if need be; needs no configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.cli.files import received_name, to_be_read
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json
from tosser.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tosser.cli.packet_facts import Reading
    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.unpack import Archiver, Member

app = typer.Typer(help="A look into packets and bundles.", no_args_is_help=True)

_INDENT = 12
"""Columns of the names in front of the values."""

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Packets or bundles.", show_default=False, readable=False)
]


@app.callback()
def packet() -> None:
    """Keep ``show`` a command of its own while it is the only one."""


@app.command("show")
def show(
    context: typer.Context,
    files: Files,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Show all bytes too, and what they are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show packets of any type, also those in bundles: headers, messages, kludges; passwords are not shown.

    Of a damaged packet what stands before the damage is shown, then what is wrong and where; that ends with 1, and so
    does a file that cannot be read. The programs for foreign archives are those of the configuration, if there is one.
    """
    archivers = _archivers(context)
    shown, failed = [], False
    for path in files:
        found: dict[str, Any] = {"file": str(path), "size": None, "packets": [], "error": None}
        if not as_json:
            say(f"{path}")
        try:
            for facts, reading in _packets(path, archivers, found, raw=raw):
                failed = failed or facts["error"] is not None
                if not as_json:
                    _say_packet(facts, reading, raw=raw)
                found["packets"].append(facts)
        except (ArchiveError, OSError) as error:
            failed = True
            found["error"] = _file_error(error)
            if not as_json:
                complain(f"tosser: {path}: {found['error']['what']}")
        shown.append(found)
    if as_json:
        say_json(shown)
    if failed:
        raise typer.Exit(Exit.FAILED)


def _archivers(context: typer.Context) -> Mapping[ArchiveType, Archiver]:
    """Take the programs for foreign archives from the configuration; unless it was named, it need not be there."""
    from tosser.config.loading import find_config, load_config  # noqa: PLC0415 - slow to import
    from tosser.daemon.intake import build_archivers  # noqa: PLC0415 - as above

    explicit = context.find_root().obj
    try:
        return build_archivers(load_config(find_config(explicit, os.environ), os.environ))
    except ConfigError:
        if explicit is not None:
            raise
        return {}


def _packets(
    path: Path, archivers: Mapping[ArchiveType, Archiver], found: dict[str, Any], *, raw: bool
) -> Iterator[tuple[dict[str, Any], Reading | None]]:
    """Read every packet of a file."""
    from tosser.cli.packet_facts import packet_facts, read_packet  # noqa: PLC0415 - slow to import
    from tosser.inbound.unpack import ArchiveLimits, open_members  # noqa: PLC0415 - as above

    with to_be_read(path) as readable:
        found["size"] = readable.stat().st_size
        with open_members(readable, received_name(path), ArchiveLimits(), archivers) as members:
            for member in members:
                about: dict[str, Any] = {"member": member.name or None, "size": member.size}
                if member.problem is not None:
                    yield about | _refused(member), None
                    continue
                with member.open() as stream:
                    reading = read_packet(stream.read())
                yield about | packet_facts(reading, raw=raw), reading


def _refused(member: Member) -> dict[str, Any]:
    problem = member.problem
    error = {"reason": problem.reason.value, "what": problem.what, "offset": None, "excerpt": None} if problem else None
    return {"header": None, "warnings": [], "messages": [], "error": error}


def _file_error(error: ArchiveError | OSError) -> dict[str, Any]:
    if isinstance(error, ArchiveError):
        return {"reason": error.reason.value, "what": error.what}
    return {"reason": None, "what": error.strerror or str(error)}


# --- for people


def _say_packet(facts: dict[str, Any], reading: Reading | None, *, raw: bool) -> None:
    say()
    say(f"packet {facts['member']}, {facts['size']} bytes" if facts["member"] else f"packet, {facts['size']} bytes")
    if facts["header"]:
        _say_header(facts["header"])
        _field("messages", len(facts["messages"]))
    for warning in facts["warnings"]:
        _field("warning", f"{warning['text']} ({warning['code']}, at offset {warning['offset']})")
    for message in facts["messages"]:
        say()
        _say_message(message)
    if facts["error"]:
        say()
        _say_error(facts["error"])
    if raw and reading is not None:
        _say_bytes(reading)


def _field(name: str, value: object) -> None:
    """Print a name and its value; further lines of the value are set below the first."""
    lines = str(value).split("\n")
    say(f"  {name:<{_INDENT - 1}} {lines[0]}".rstrip())
    for line in lines[1:]:
        say(f"  {'':<{_INDENT - 1}} {line}".rstrip())


def _say_header(header: dict[str, Any]) -> None:
    _field("type", header["type"])
    _field("from", header["from"])
    _field("to", header["to"])
    if header["other_zones"]:
        _field("", "zones stated a second time: {} to {}".format(*header["other_zones"]))
    _field("created", header["created"] or "no date")
    _field("password", "set" if header["password"] else "none")
    data = f", data {header['product_data']}" if header["product_data"] else ""
    _field("product", f"{header['product']}, revision {header['revision']}{data}")


def _say_message(message: dict[str, Any]) -> None:
    say(f"message {message['number']} at offset {message['offset']}")
    _field("nodes", f"{message['from_node']} to {message['to_node']}")
    attributes = message["attributes"]
    _field("attributes", ", ".join((attributes["value"], *attributes["names"])))
    if message["cost"]:
        _field("cost", message["cost"])
    _field("date", _date_text(message["date"]))
    _field("from", _one_line(message["from"]))
    _field("to", _one_line(message["to"]))
    _field("subject", _one_line(message["subject"]))
    if message["cut"]:
        _field("", "a name or the subject was too long and has been cut")
    _field("charset", f"{message['charset']['name']} ({message['charset']['how']})")
    for part in message["parts"]:
        if part["kind"] == "kludge":
            _field("kludge", _kludge_text(part))
        elif part["kind"] not in {"seen-by", "path"}:
            _field(part["kind"], part["text"] if part["kind"] == "body" else part["text"].strip())
    if any(part["kind"] == "seen-by" for part in message["parts"]):
        _field("seen-by", f"{len(message['seen_by'])}: {' '.join(message['seen_by'])}")
    if any(part["kind"] == "path" for part in message["parts"]):
        _field("path", f"{len(message['path'])}: {' '.join(message['path'])}")


def _date_text(date: dict[str, Any]) -> str:
    """Write a date as it stands, as it was read, and what is remarkable about it."""
    read = date["local"] or "not readable"
    utc = f", {date['utc']}" if date["utc"] else ""
    flaws = f" ({', '.join(date['flaws'])})" if date["flaws"] else ""
    return f'"{_one_line(date["raw"])}": {read}{utc}{flaws}'


def _kludge_text(part: dict[str, Any]) -> str:
    text = _one_line(f"{part['tag']} {part['value']}".strip())
    if part["flaw"]:
        return f"{text}\n  broken: {part['flaw']}"
    if part["meaning"]:
        known = (f"{name} {_listed(value)}" for name, value in part["meaning"].items())
        return f"{text}\n  {', '.join(known)}"
    return text


def _listed(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\x0a")


def _say_error(error: dict[str, Any]) -> None:
    where = f" at offset {error['offset']}" if error["offset"] is not None else ""
    say(f"ERROR {error['reason']}{where}: {error['what']}")
    if error["excerpt"]:
        say(error["excerpt"])


def _say_bytes(reading: Reading) -> None:
    from tosser.cli.hexdump import HexDump  # noqa: PLC0415 - for --raw only
    from tosser.cli.packet_facts import spans  # noqa: PLC0415 - slow to import

    dump = HexDump(reading.data)
    for start, end, what in spans(reading):
        say()
        say(f"{what}, {end - start} bytes")
        for row in dump.rows(start, end):
            say(row)
