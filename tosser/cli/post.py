"""``tosser post``: write a message into an area, or a netmail, through the post box."""

from __future__ import annotations

import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from msgspec.structs import replace

from tosser.cli.context import changing_state, load_to_change
from tosser.cli.output import say
from tosser.config.world import build_rulebook
from tosser.daemon.drafting import choose_place, draft, file_name
from tosser.errors import PostError
from tosser.inbound.postbox import PostBox
from tosser.reason import PostReason
from tosser.rules.posting import Wish


def post(
    context: typer.Context,
    *,
    area: Annotated[str | None, typer.Option("--area", metavar="TAG", help="Area to write to.")] = None,
    dest: Annotated[str | None, typer.Option("--dest", metavar="ADDRESS", help="System a netmail goes to.")] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="Network of the area, where several have one of that tag.")
    ] = None,
    sender: Annotated[str | None, typer.Option("--from", metavar="NAME", help="Author; default the sysop.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Addressee; default All, or who is answered.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Subject; default that of the message answered.")
    ] = None,
    reply: Annotated[
        str | None, typer.Option("--reply", metavar="MSGID", help="The message answered; it must be in our base.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The text, in UTF-8; default standard input.")
    ] = None,
    charset: Annotated[
        str | None, typer.Option("--charset", help="Character set to write in; default that of the area.")
    ] = None,
    split: Annotated[
        int | None, typer.Option("--split", metavar="BYTES", help="Divide longer texts into several messages.")
    ] = None,
) -> None:
    """Write an echomail (--area) or a netmail (--dest). It is tossed like any mail, at once if the daemon runs.

    Prints the MSGID of each message. Ends with 1 when it is refused; nothing is posted then.
    """
    if (area is None) == (dest is None):
        raise typer.BadParameter("say where it goes: either --area TAG or --dest ADDRESS")
    config = load_to_change(context)
    wish = Wish(
        area=area, dest=dest, network=network, sender=sender, to=to, subject=subject, reply=reply, charset=charset,
        split=split,
    )  # fmt: skip
    place = choose_place(wish, build_rulebook(config))
    drafted = draft(replace(wish, text=_text(file)), place, config)
    now = time.time()
    with changing_state(config) as state:
        first = state.message_serials(len(drafted.posts), now)
    PostBox(config.paths.state).drop(file_name(first), drafted.packet(first, now))
    for msgid in drafted.msgids(first):
        say(f"{drafted.place}: {msgid}")


def _text(file: Path | None) -> str:
    """Read the text.

    Raises:
        PostError: it is not UTF-8.
    """
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        what = f"the text is not UTF-8: line {line}, byte {column} is 0x{data[error.start]:02x}"
        raise PostError(what, PostReason.NOT_UTF8) from None
