"""All that a node's directory tells, as sets of facts that two runs on the same mail must have in common.

Names of bundles, numbers of claims and packets and all times are left out: they differ from run to run. What is
compared: the messages of every base, the messages on their way to every link, how every file ended, what was set
aside, every event, all totals, and that nothing lies anywhere that is none of these.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.crash.lives import in_process
from tests.observe import stored
from tests.packets import messages_in, packets_in
from tosser.codec.jam import INDEX_RECORD_LENGTH
from tosser.codec.kludge import find_value
from tosser.state.state import DATABASE_NAME
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.daemon import Node

Mail = dict[str, Counter[tuple[str, str]]]
"""For each place, how often it holds each message: MSGID and digest of the text."""
_FLOW = re.compile(r"[0-9a-f]{8}\.[fhdci]lo")
_HOOK_TROUBLE = "ftn/condition/hook-%"
"""How often a hook was tried, and what is said of that, differs from run to run."""
_OWN = re.compile(r"tosser\.(db|db-wal|db-shm|lock)")
_CLAIM = re.compile(r"[0-9a-f]{14}-[0-9a-f]{6}")


@dataclass
class Account:
    """What was found.

    Attributes:
        bases: the messages of each base.
        links: the messages on their way to each link, by the stem of its flow file, or by its box.
        facts: lines about files, events and totals, each with how often it is there.
        strays: what lies where it should not, and what is broken.
        numbers: the number of each message in each base, by MSGID; the order of files may differ from run to run.
    """

    bases: Mail = field(default_factory=dict)
    links: Mail = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)
    strays: list[str] = field(default_factory=list)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Differences:
    """How an account differs from the one it should be.

    Attributes:
        lost: messages that are missing, or too few, in a base or for a link.
        doubled: messages that are there too often, or should not be there.
        other: everything else, a line each.
        said: the last that the program said, for whoever looks into it.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of them."""
        return [
            *(f"lost: {line}" for line in self.lost),
            *(f"doubled: {line}" for line in self.doubled),
            *self.other,
        ]


def account_of(system: Node) -> Account:
    """Look at everything, in a process of its own: what it opens is none of ours."""
    result = system.root.with_name(f"{system.root.name}.account")
    log = system.root.with_name(f"{system.root.name}.log")
    code = in_process(lambda: _write(system, result), log=log)
    if code:
        return Account(strays=[f"the node cannot be read: {log.read_text('utf-8', 'replace')[-3000:]}"])
    account: Account = pickle.loads(result.read_bytes())  # noqa: S301 - we wrote it
    return account


def compare(expected: Account, found: Account) -> Differences:
    """Tell how an account differs from the one it should be."""
    result = Differences()
    for kind, wanted, there in (("base", expected.bases, found.bases), ("link", expected.links, found.links)):
        for place in sorted(wanted.keys() | there.keys()):
            want, have = wanted.get(place, Counter()), there.get(place, Counter())
            result.lost += [f"{kind} {place}: {message[0]}" for message in (want - have).elements()]
            result.doubled += [f"{kind} {place}: {message[0]}" for message in (have - want).elements()]
    missing, extra = expected.facts - found.facts, found.facts - expected.facts
    result.other += [f"missing: {fact}" for fact in sorted(missing.elements())]
    result.other += [f"not expected: {fact}" for fact in sorted(extra.elements())]
    result.other += [f"stray: {stray}" for stray in found.strays]
    return result


def _write(system: Node, result: Path) -> None:
    account = Account()
    _look_at_bases(system, account)
    _look_at_outbound(system, account)
    _look_at_state(system, account)
    _look_at_inbounds(system, account)
    result.write_bytes(pickle.dumps(account))


def _look_at_bases(system: Node, account: Account) -> None:
    for header in sorted(system.bases.rglob("*.jhr")):
        base = header.with_suffix("")
        account.bases[base.name] = stored(base)
        reader = JamReader(base)
        entries = list(reader.messages())
        numbers = [entry.number for entry in entries]
        if header.with_suffix(".jdx").stat().st_size != len(entries) * INDEX_RECORD_LENGTH:
            account.strays.append(f"{base.name}: its index does not have one record for each message")
        if numbers != list(range(numbers[0] if numbers else 1, (numbers[0] if numbers else 1) + len(numbers))):
            account.strays.append(f"{base.name}: its numbers are {numbers}")
        msgids = [(find_value(entry.message.kludges, b"MSGID") or b"").decode("ascii") for entry in entries]
        account.numbers |= {(base.name, msgid): number for msgid, number in zip(msgids, numbers, strict=True)}
        active = int.from_bytes(header.read_bytes()[12:16], "little")
        if active != len(entries):
            account.strays.append(f"{base.name}: its header counts {active} messages of {len(entries)}")
    for path in system.bases.rglob("*"):
        if path.is_file() and path.suffix not in {".jhr", ".jdt", ".jdx", ".jlr"}:
            account.strays.append(str(path.relative_to(system.root)))


def _look_at_outbound(system: Node, account: Account) -> None:
    named: dict[Path, str] = {}
    found: list[Path] = []
    for directory in (system.root / name for name in ("out", "out.53a", "box")):
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        for path in files:
            if _FLOW.fullmatch(path.name):
                for target in _named_in(path):
                    if target in named:
                        account.strays.append(f"{target.name} is named twice")
                    named[target] = f"{directory.name}/{path.stem}"
            elif directory.name == "box" and not path.name.startswith("."):
                named[path] = "box"
        found += [path for path in files if not _FLOW.fullmatch(path.name)]
    account.strays += [str(path.relative_to(system.root)) for path in found if path not in named]
    account.strays += [f"{path.name} is named and not there" for path in named if path not in found]
    for path in found:
        mail = account.links.setdefault(named.get(path, "nobody"), Counter())
        for packet in packets_in([path]):
            mail.update((taken.msgid, hashlib.sha256(taken.authored).hexdigest()) for taken in messages_in(packet))


def _named_in(flow: Path) -> Iterator[Path]:
    for line in flow.read_text("ascii").splitlines():
        if line and not line.startswith("~"):
            yield Path(line.lstrip("^#"))


def _look_at_state(system: Node, account: Account) -> None:
    with sqlite3.connect(f"file:{system.state / DATABASE_NAME}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT name, state, reason, what, packets, counts, kept FROM files").fetchall()
        account.facts.update(f"file {_plain(row)}" for row in rows)
        for table in ("batches", "packets"):
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of two names
            if count:
                account.strays.append(f"{count} rows in {table}")
        events = connection.execute(
            "SELECT id, topic, payload FROM outbox WHERE topic NOT LIKE ?", (_HOOK_TROUBLE,)
        ).fetchall()
        for _, topic, payload in events:
            data = json.loads(payload)["data"]
            account.facts[_about(topic, data)] += 1
            if data.get("number") != account.numbers.get((str(data.get("area")).lower(), data.get("msgid"))):
                account.strays.append(f"the event of {data.get('msgid')} gives number {data.get('number')}")
        if len({row[0] for row in events}) < len(events):
            account.strays.append("two events have one id")
        _look_at_hooks(connection, {row[0]: row[2] for row in events}, account)
        for query in (
            "SELECT 'counter', name, value FROM counters WHERE name NOT LIKE 'hook-%'",
            "SELECT 'area', tag, stored, duplicates FROM areas",
            "SELECT 'link', address, packets, messages, messages_out FROM links",
            "SELECT 'condition', subject, text FROM conditions WHERE subject <> 'broker' AND subject NOT LIKE 'hook-%'",
            "SELECT 'dupe keys', count(*) FROM dupes",
        ):
            account.facts.update(_plain(row) for row in connection.execute(query))
    for path in sorted(system.state.rglob("*")):
        if path.is_file() and path.parent == system.state and not _OWN.fullmatch(path.name):
            account.strays.append(str(path.relative_to(system.root)))
        elif path.is_file() and path.parent != system.state:
            _look_at_kept(path, account)


def _look_at_hooks(connection: sqlite3.Connection, events: dict[str, bytes], account: Account) -> None:
    """Look at the calls that wait: each is of the event that is published, and no hook can be reached."""
    for hook, event, payload in connection.execute("SELECT hook, event, payload FROM hook_calls"):
        account.facts[f"call of {hook}: {json.loads(payload)['data']['msgid']}"] += 1
        if events.get(event) != payload:
            account.strays.append(f"{hook} is to be called for another event than {event}")


def _look_at_kept(path: Path, account: Account) -> None:
    if path.suffix == ".json" and path.with_suffix(".data").exists():
        note = json.loads(path.read_text("ascii"))
        facts = [note[name] for name in ("state", "reason", "offset", "what", "name", "member", "size", "digest")]
        whole = hashlib.sha256(path.with_suffix(".data").read_bytes()).hexdigest() == note["digest"]
        account.facts[f"kept {_plain(facts)} {whole}"] += 1
    elif path.suffix != ".data" or not path.with_suffix(".json").exists():
        account.strays.append(f"{path.parent.name}/{_CLAIM.sub('*', path.name)}")


def _look_at_inbounds(system: Node, account: Account) -> None:
    for inbound in (system.secure, system.insecure, system.local):
        strays = [path for path in inbound.rglob("*") if path.name != ".tosser"]
        account.strays += [_CLAIM.sub("*", str(path.relative_to(system.root))) for path in strays]


def _about(topic: str, data: dict[str, Any]) -> str:
    """Describe an event by what does not differ from run to run."""
    facts = [data.get(name) for name in ("area", "msgid", "packet", "name", "state", "reason", "counts")]
    return f"event {topic} {_plain(facts)}"


def _plain(facts: object) -> str:
    return json.dumps(facts, default=str, sort_keys=True)
