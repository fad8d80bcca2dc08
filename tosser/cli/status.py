"""``tosser status``: how everything stands, from the state database and a look into the inbounds."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer
from msgspec import to_builtins

from tosser.cli.context import links_on_hold, load
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, ago, say, say_json, say_table, utc
from tosser.daemon.intake import build_spool
from tosser.daemon.room import build_room
from tosser.inbound.held import HeldMail
from tosser.inbound.quarantine import Quarantine
from tosser.reason import Reason
from tosser.state.lock import holder, trouble_told
from tosser.state.state import DATABASE_NAME, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.config.model import Config

LATEST = 10


def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show queues, links, areas, the outbox, the quarantine, and what is wrong at this moment.

    Ends with 4 when anything waits in the quarantine, or for a link on hold, or is wrong.
    """
    config = load(context)
    facts = gather(config, time.time())
    if as_json:
        say_json(facts)
    else:
        _show(facts)
    wrong = facts["trouble"] or facts["conditions"] or facts["inbound"]["trouble"]
    if facts["quarantine"]["entries"] or facts["held"] or wrong:
        raise typer.Exit(Exit.SET_ASIDE)


def gather(config: Config, now: float) -> dict[str, Any]:
    """Collect everything as plain values; moments are Unix seconds."""
    scan = build_spool(config).scan()
    entries = Quarantine(config.paths.state).entries()
    kept: dict[str, int] = {}
    for entry in entries:
        kept[entry.state.value] = kept.get(entry.state.value, 0) + 1
    facts: dict[str, Any] = {
        "time": now,
        "daemon": holder(config.paths.state),
        "inbound": {
            "ready": len(scan.ready),
            "settling": len(scan.waiting),
            "foreign": scan.foreign,
            "oldest_waiting": scan.oldest_waiting,
            "trouble": scan.troubles,
        },
        "quarantine": {"entries": len(entries), "states": kept},
        "held": list(links_on_hold(config).values()),
        "trouble": _troubles(config),
    }
    return facts | _from_state(config)


def _from_state(config: Config) -> dict[str, Any]:
    if not (config.paths.state / DATABASE_NAME).exists():
        nothing: dict[str, Any] = {name: [] for name in ("conditions", "areas", "links", "files", "hooks")}
        return nothing | {"open": None, "outbox": None, "netmail": _netmail({}, config), "counters": {}}
    state = State(config.paths.state, read_only=True)
    try:
        overview = state.overview()
        latest = state.latest_files(LATEST)
    finally:
        state.close()
    return {
        "conditions": [to_builtins(condition) for condition in overview.conditions],
        "open": {"batches": overview.open_batches, "files": overview.open_files},
        "outbox": {
            "events": overview.outbox_events,
            "oldest": overview.outbox_oldest,
            "refused": [to_builtins(topic) for topic in overview.refused_topics],
        },
        "hooks": [to_builtins(queue) for queue in overview.hooks],
        "netmail": _netmail(overview.counters, config),
        "areas": [to_builtins(area) for area in overview.areas if area.network],
        "links": [to_builtins(link) for link in overview.links],
        "counters": overview.counters,
        "files": [to_builtins(entry) for entry in latest],
    }


def _troubles(config: Config) -> list[str]:
    """Say what is wrong that the database may not have heard of: it cannot be written, or there is no room."""
    told = trouble_told(config.paths.state)
    shortage = build_room(config).shortage()
    return [text for text in (told and f"state: {told}", shortage and f"space: {shortage}") if text]


def _netmail(counters: Mapping[str, int], config: Config) -> dict[str, Any]:
    held = Counter(entry.reason.value for entry in HeldMail(config.paths.state).entries())
    return {
        "to_us": counters.get(f"message.{Reason.NETMAIL}", 0),
        "sent_on": counters.get(f"message.{Reason.ROUTED}", 0),
        "in_transit": held.total(),
        "held": dict(sorted(held.items())),
    }


def _show(facts: dict[str, Any]) -> None:
    now = facts["time"]
    daemon = facts["daemon"]
    say(f"daemon      {'not running' if daemon is None else f'running, process {daemon}'}")
    inbound = facts["inbound"]
    oldest = ago(inbound["oldest_waiting"], now)
    say(
        f"inbound     {inbound['ready']} ready, {inbound['settling']} settling, {inbound['foreign']} not ours"
        + (f", the oldest has waited {oldest}" if oldest else "")
    )
    for trouble in inbound["trouble"]:
        say(f"            {trouble}")
    if facts["open"] is not None:
        files, batches = facts["open"]["files"], facts["open"]["batches"]
        say(f"in work     {files} files, {batches} batches decided and not yet carried out")
    states = ", ".join(f"{count} {state}" for state, count in sorted(facts["quarantine"]["states"].items()))
    say(f"set aside   {states or 'nothing'}")
    if facts["outbox"] is not None:
        outbox = facts["outbox"]
        since = ago(outbox["oldest"], now)
        say(
            f"outbox      {outbox['events']} events wait for the broker"
            + (f", the oldest since {since}" if since else "")
        )
        for topic in outbox["refused"]:
            say(
                f"            refused by the broker (0x{topic['code']:02x}): {topic['topic']}, {topic['events']} events"
            )
        for hook in facts["hooks"]:
            say(
                f"hook        {hook['hook']}: {hook['waiting']} calls wait, the oldest since {ago(hook['oldest'], now)}"
            )
        netmail = facts["netmail"]
        why = ", ".join(f"{count} {reason}" for reason, count in netmail["held"].items())
        say(
            f"netmail     {netmail['to_us']} to us, {netmail['sent_on']} sent on, {netmail['in_transit']} in transit"
            + (f" ({why})" if why else "")
        )
    _show_wrong(facts, now)
    if facts["links"]:
        say()
        say_table(
            ("LINK", "NETWORK", "PACKETS", "MESSAGES", "LAST IN", "LAST FILE"),
            [
                (x["address"], x["network"], x["packets"], x["messages"], ago(x["last_in"], now), x["last_file"])
                for x in facts["links"]
            ],
            "",
        )
    if facts["areas"]:
        say()
        say_table(
            ("AREA", "NETWORK", "MESSAGES", "DUPES", "LAST"),
            [(x["tag"], x["network"], x["stored"], x["duplicates"], ago(x["last_at"], now)) for x in facts["areas"]],
            "",
        )
    if facts["files"]:
        say()
        say_table(
            ("FINISHED", "FILE", "STATE", "REASON", "FROM", "MESSAGES"),
            [
                (utc(x["finished"]), x["name"], x["state"], x["reason"], x["sender"], sum(x["counts"].values()))
                for x in facts["files"]
            ],
            "",
        )


def _show_wrong(facts: dict[str, Any], now: float) -> None:
    """Show what waits for links on hold, and what is wrong, each thing once."""
    for held in facts["held"]:
        what = f"{held['address']} in {held['network']}, since {held['since']}, by {held['who']}: {held['why']}"
        say(f"on hold     {what}; files waiting: {held['files']}")
    known = {f"{condition['subject']}: {condition['text']}" for condition in facts["conditions"]}
    for trouble in facts["trouble"]:
        if trouble not in known:
            say(f"WRONG       {trouble}")
    for condition in facts["conditions"]:
        say(f"WRONG       {condition['subject']}: {condition['text']} (since {ago(condition['since'], now)})")
