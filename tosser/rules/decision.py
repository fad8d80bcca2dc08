"""The decision on a batch, as data: made once, journalled, and followed to the letter after a crash.

`decide` is the only place where verdicts are made. What it returns holds everything needed to carry the decision out
from the same input: verdicts, not messages. The journal keeps it, as JSON, until it is applied.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from tosser.reason import FileState, Reason
from tosser.rules.answering import Answer, HandOver  # noqa: TC001 - as below
from tosser.rules.batch import FileIn  # noqa: TC001 - the journal resolves annotations at run time (msgspec)
from tosser.rules.dupe import dupe_key, netmail_key
from tosser.rules.policy import judge_packet
from tosser.rules.transit import Attachments
from tosser.rules.verdict import Judge, Verdict, area_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.codec.message import MessageText
    from tosser.codec.packed_message import PackedMessage
    from tosser.rules.batch import Batch, FileEnd, Piece, Refusal
    from tosser.rules.network import Rulebook
    from tosser.rules.policy import PacketVerdict


_REMEMBERED = frozenset({Reason.ACCEPTED, Reason.NETMAIL, Reason.ROUTED})
"""What has got where it should be; what is held has not, and is judged again."""
TRACE_KEY_SIZE = 8
"""Bytes by which a message is found again when somebody asks what became of it."""


class PieceDecision(Struct, frozen=True):
    """The verdicts on one piece.

    Attributes:
        claim: id of the file.
        member: index of the packet in it.
        first: index of the first message within the packet.
        verdicts: for each message an index into `Decision.verdicts`.
        sender: the sending system, without domain.
        link: whether the sender is a link of ours.
        network: name of the network of the AKA it is addressed to.
    """

    claim: str
    member: int
    first: int
    verdicts: list[int]
    sender: str
    link: bool
    network: str


class SetAside(Struct, frozen=True):
    """A file, or a member of one, that is kept instead of tossed (or, for trailing junk, as well as tossed).

    Attributes:
        claim: id of the file.
        member: index of the member; ``None`` for the whole file.
        member_name: for people.
        state: which kind of keeping.
        reason: the code.
        what: the sentence.
        offset: where, or ``None``.
        sender: the sending system, or ``None`` where not even that could be read.
        tossed: whether its messages were tossed all the same.
    """

    claim: str
    member: int | None
    member_name: str
    state: FileState
    reason: Reason
    what: str
    offset: int | None
    sender: str | None
    tossed: bool = False


class FileOutcome(Struct, frozen=True):
    """The end of one file.

    Attributes:
        claim: id of the file.
        state: its final state.
        reason: why it, or the first part of it, is set aside; ``None`` when nothing is.
        what: its sentence, or the empty string.
        offset: where, or ``None``.
        sender: of its first readable packet.
        digest: SHA-256, hexadecimal.
        packets: how many packets and refused members it had.
        counts: messages by reason code, over all its batches.
        kept: whether the file itself is set aside, not deleted: it is refused, or something follows its packet.
    """

    claim: str
    state: FileState
    reason: Reason | None
    what: str
    offset: int | None
    sender: str | None
    digest: str
    packets: int
    counts: dict[str, int]
    kept: bool = False

    @property
    def kept_as(self) -> FileState:
        """The state it is set aside in: files that were tossed in part, or have junk at the end, are quarantined."""
        tossed = self.state in {FileState.TOSSED, FileState.DUPLICATE, FileState.EMPTY}
        return FileState.QUARANTINED if tossed else self.state


class FileProgress(Struct):
    """What earlier batches of a file came to: a file larger than a batch is decided in parts.

    Attributes:
        member: index of the packet to go on with.
        next: index of the message in it to go on with.
        counts: messages by reason code so far.
        set_aside: what of it was set aside so far, if anything: the file as a whole, or else the first member.
        sender: of the first packet so far.
    """

    member: int = 0
    next: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    set_aside: SetAside | None = None
    sender: str | None = None


class Decision(Struct):
    """Everything that is to happen to a batch.

    Attributes:
        decided: Unix seconds; the moment that stands in all that is written for it, also when written later.
        files: the files concerned, as they were claimed.
        verdicts: the distinct verdicts that `PieceDecision.verdicts` index.
        pieces: in reading order.
        set_aside: what goes to the quarantine.
        outcomes: the files that end with this batch.
        progress: where the files that go on stand after this batch.
        dupe_keys: (network, tag, key) to remember.
        answers: what this system says to it, by itself.
        first_serial: MSGID serial of the first answer; the others follow on it.
        withheld: answers that are not given, by reason.
        hand_overs: messages for robots that are programs.
        trace_keys: the start of the key of each message, `TRACE_KEY_SIZE` bytes, in the order of the pieces.
    """

    decided: float
    files: list[FileIn]
    verdicts: list[Verdict] = field(default_factory=list)
    pieces: list[PieceDecision] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    outcomes: list[FileOutcome] = field(default_factory=list)
    progress: dict[str, FileProgress] = field(default_factory=dict)
    dupe_keys: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    first_serial: int = 0
    withheld: dict[str, int] = field(default_factory=dict)
    hand_overs: list[HandOver] = field(default_factory=list)
    trace_keys: bytes = b""


class PreparedBatch(Struct):
    """A batch with what is known of it before the dupe history is asked.

    Attributes:
        batch: what was read.
        packets: for each piece the verdict on its packet.
        keys: for each piece the dupe key of each message, ``None`` for netmail without MSGID; empty for a refused
            packet.
    """

    batch: Batch
    packets: list[PacketVerdict]
    keys: list[list[bytes | None]]

    def all_keys(self) -> set[bytes]:
        """Give every key to be looked up in the dupe history."""
        return {key for keys in self.keys for key in keys if key is not None}


def prepare_batch(batch: Batch, rules: Rulebook) -> PreparedBatch:
    """Judge the packets and compute the dupe keys of the messages of those that pass."""
    packets, keys = [], []
    for piece in batch.pieces:
        packet = judge_packet(piece.header, piece.file.cls, piece.summary, rules)
        packets.append(packet)
        keys.append([] if packet.reason is not None or packet.network is None else _keys(piece, packet.network.name))
    return PreparedBatch(batch, packets, keys)


def _keys(piece: Piece, network: str) -> list[bytes | None]:
    keys: list[bytes | None] = []
    for message, text in piece.messages:
        tag = area_tag(text)
        keys.append(netmail_key(message, text) if tag is None else dupe_key(network, tag, message, text))
    return keys


def decide(
    prepared: PreparedBatch,
    rules: Rulebook,
    known: set[bytes],
    progress: Mapping[str, FileProgress],
    now: float,
    *,
    attachments: Attachments | None = None,
) -> Decision:
    """Make every verdict of a batch.

    Args:
        prepared: the batch, from `prepare_batch` with the same rules.
        rules: the sysop's world.
        known: which of the batch's dupe keys had been seen before; grows by the keys of this batch.
        progress: of the files whose earlier parts were decided before.
        now: Unix seconds.
        attachments: the files that netmail may have attached.
    """
    return _Deciding(prepared, rules, known, progress, now, attachments=attachments or Attachments()).run()


class _Deciding:
    """One run of `decide`."""

    def __init__(
        self,
        prepared: PreparedBatch,
        rules: Rulebook,
        known: set[bytes],
        progress: Mapping[str, FileProgress],
        now: float,
        *,
        attachments: Attachments,
    ) -> None:
        self._attachments = attachments
        self._prepared = prepared
        self._rules = rules
        self._known = known
        self._before = progress
        self._progress: dict[str, FileProgress] = {}
        self._indexes: dict[Verdict, int] = {}
        self._keys: list[bytes] = []
        self._decision = Decision(now, _files_of(prepared.batch))

    def run(self) -> Decision:
        batch = self._prepared.batch
        for piece, packet, keys in zip(batch.pieces, self._prepared.packets, self._prepared.keys, strict=True):
            self._decide_piece(piece, packet, keys)
        for refusal in batch.refusals:
            self._refuse(refusal)
        self._decision.trace_keys = b"".join(self._keys)
        self._decision.outcomes = [self._outcome(end) for end in batch.ends]
        ended = {end.file.claim for end in batch.ends}
        self._decision.progress = {claim: progress for claim, progress in self._progress.items() if claim not in ended}
        return self._decision

    def _of(self, claim: str) -> FileProgress:
        """The progress of a file of this batch; the caller's stays as it is."""
        progress = self._progress.get(claim)
        if progress is None:
            before = self._before.get(claim)
            progress = replace(before, counts=dict(before.counts)) if before else FileProgress()
            self._progress[claim] = progress
        return progress

    def _refuse(self, refusal: Refusal) -> None:
        item = SetAside(
            refusal.file.claim, refusal.member, refusal.member_name, FileState.QUARANTINED,
            refusal.reason, refusal.what, refusal.offset, refusal.sender,
        )  # fmt: skip
        progress = self._set_aside(item)
        if refusal.member is not None:
            _advance(progress, refusal.member + 1, 0)

    def _set_aside(self, item: SetAside) -> FileProgress:
        self._decision.set_aside.append(item)
        progress = self._of(item.claim)
        if progress.set_aside is None or _place(item) < _place(progress.set_aside):
            progress.set_aside = item
        return progress

    def _decide_piece(self, piece: Piece, packet: PacketVerdict, keys: list[bytes | None]) -> None:
        progress = self._of(piece.file.claim)
        progress.sender = progress.sender or str(packet.sender.without_domain)
        if packet.reason is not None:
            self._refuse_packet(piece, packet, packet.reason)
            return
        _advance(progress, piece.member, piece.first + len(piece.messages))
        if piece.summary.trailing and piece.starts_packet:
            self._keep_junk(piece, packet)
        indexes = self._judge(piece, packet, keys)
        self._keys.append(_trace_keys(piece, keys))
        for index, messages in Counter(indexes).items():
            reason = self._decision.verdicts[index].reason.value
            progress.counts[reason] = progress.counts.get(reason, 0) + messages
        self._decision.pieces.append(
            PieceDecision(
                piece.file.claim, piece.member, piece.first, indexes, str(packet.sender.without_domain),
                packet.link is not None, packet.network.name if packet.network else "",
            )
        )  # fmt: skip

    def _judge(self, piece: Piece, packet: PacketVerdict, keys: list[bytes | None]) -> list[int]:
        """Judge each message; the dupe keys of those accepted are known from then on."""
        judge = Judge(
            piece.header, packet, self._rules, self._decision.decided, self._known,
            file=piece.file, attachments=self._attachments,
        )  # fmt: skip
        indexes: list[int] = []
        seen: dict[int, int] = {}  # by identity, which is cheaper; the judge keeps its verdicts
        for (message, text), key in zip(piece.messages, keys, strict=True):
            verdict = judge.judge(message, text, key)
            target = verdict.target
            if key is not None and target is not None and verdict.reason in _REMEMBERED:
                self._known.add(key)
                self._decision.dupe_keys.append((target.network, target.tag, key))
            index = seen.get(id(verdict))
            if index is None:
                index = seen[id(verdict)] = self._index(verdict)
            indexes.append(index)
        return indexes

    def _index(self, verdict: Verdict) -> int:
        index = self._indexes.setdefault(verdict, len(self._decision.verdicts))
        if index == len(self._decision.verdicts):
            self._decision.verdicts.append(verdict)
        return index

    def _refuse_packet(self, piece: Piece, packet: PacketVerdict, reason: Reason) -> None:
        """Set the packet aside as a whole, once; the rules may have changed since a part of it was tossed."""
        progress = self._of(piece.file.claim)
        if progress.member > piece.member:
            return
        _advance(progress, piece.member + 1, 0)
        self._set_aside(
            SetAside(
                piece.file.claim, _member(piece), piece.member_name, packet.state,
                reason, packet.what, None, str(packet.sender.without_domain),
            )
        )  # fmt: skip

    def _keep_junk(self, piece: Piece, packet: PacketVerdict) -> None:
        what = f"{piece.summary.trailing} bytes follow the end of the packet; its messages were tossed"
        offset = next((w.offset for w in piece.summary.warnings if w.code == Reason.TRAILING_JUNK), None)
        self._set_aside(
            SetAside(
                piece.file.claim, _member(piece), piece.member_name, FileState.QUARANTINED,
                Reason.TRAILING_JUNK, what, offset, str(packet.sender.without_domain), tossed=True,
            )
        )  # fmt: skip

    def _outcome(self, end: FileEnd) -> FileOutcome:
        progress = self._of(end.file.claim)
        aside = progress.set_aside
        counts = progress.counts
        stored = sum(counts.values()) - counts.get(Reason.DUPLICATE.value, 0)
        if stored:
            state = FileState.TOSSED
        elif counts:
            state = FileState.DUPLICATE
        elif aside is not None:
            state = aside.state
        else:
            state = FileState.EMPTY
        return FileOutcome(
            end.file.claim, state, aside.reason if aside else None, aside.what if aside else "",
            aside.offset if aside else None, progress.sender or (aside.sender if aside else None),
            end.digest, end.packets, counts, kept=aside is not None and aside.member is None,
        )  # fmt: skip


def trace_key(network: str, tag: str, message: PackedMessage, text: MessageText) -> bytes:
    """Give the bytes that a message is found by; network and tag are empty for netmail."""
    return dupe_key(network, tag, message, text)[:TRACE_KEY_SIZE]


def _trace_keys(piece: Piece, keys: list[bytes | None]) -> bytes:
    return b"".join(
        [
            trace_key("", "", message, text) if key is None or text.area is None else key[:TRACE_KEY_SIZE]
            for (message, text), key in zip(piece.messages, keys, strict=True)
        ]
    )


def _advance(progress: FileProgress, member: int, following: int) -> None:
    """Go on behind this message, unless a later one has been decided already."""
    progress.member, progress.next = max((progress.member, progress.next), (member, following))


def _place(item: SetAside) -> int:
    """Where in its file it is; the file as a whole comes before its members."""
    return -1 if item.member is None else item.member


def _member(piece: Piece) -> int | None:
    """A bare packet is its file: the whole file is set aside, not a copy of its only member."""
    return piece.member if piece.member_name else None


def _files_of(batch: Batch) -> list[FileIn]:
    files = [piece.file for piece in batch.pieces]
    files += [refusal.file for refusal in batch.refusals]
    files += [end.file for end in batch.ends]
    return list({file.claim: file for file in files}.values())
