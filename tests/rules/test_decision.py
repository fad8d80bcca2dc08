"""Decisions on whole batches: duplicates within them, files larger than them, what is set aside, how files end."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import HUB, US, message, netmail
from tests.mail import packed
from tests.rules.world import (
    READER,
    STRANGER,
    decide_batch,
    echo,
    make_batch,
    make_file,
    make_piece,
    make_pieces,
    usual_rules,
)
from tosser.reason import FileState, Reason
from tosser.rules.batch import Batch, Refusal
from tosser.rules.decision import Decision, FileProgress, prepare_batch
from tosser.rules.network import InboundClass

RULES = usual_rules()
SECRET = usual_rules(b"SECRET")


def reasons(decision: Decision) -> list[list[Reason]]:
    """The reasons of the verdicts, piece by piece."""
    return [[decision.verdicts[index].reason for index in piece.verdicts] for piece in decision.pieces]


def refusal(claim: str = "one", member: int | None = None, reason: Reason = Reason.TRUNCATED) -> Refusal:
    """A file, or a member of one, that could not be read."""
    name = "" if member is None else f"{member:08x}.pkt"
    return Refusal(make_file(claim), member, name, reason, "what was wrong", 77, HUB)


# --- duplicates


def test_first_of_equals_is_accepted() -> None:
    """Of equal messages in a batch the first is accepted, in whichever packet the others are."""
    pieces = [
        make_piece([echo(number=1), echo(number=2), echo(number=1)]),
        make_piece([echo(number=2), echo(number=3)], claim="two"),
    ]
    decision = decide_batch(make_batch(pieces), RULES)
    accepted, duplicate = Reason.ACCEPTED, Reason.DUPLICATE
    assert reasons(decision) == [[accepted, accepted, duplicate], [duplicate, accepted]]
    assert len({key for _, _, key in decision.dupe_keys}) == 3


def test_cross_posts_are_no_duplicates() -> None:
    """One MSGID in two areas is two messages, and each is remembered in its area."""
    decision = decide_batch(make_batch([make_piece([echo("TQW_TECH"), echo("TQW_GEN"), echo("tqw_gen")])]), RULES)
    assert reasons(decision) == [[Reason.ACCEPTED, Reason.ACCEPTED, Reason.DUPLICATE]]
    assert [(network, tag) for network, tag, _ in decision.dupe_keys] == [("tqwnet", "TQW_TECH"), ("tqwnet", "TQW_GEN")]


def test_known_messages() -> None:
    """Keys that were seen before make duplicates, and are not to be remembered again."""
    batch = make_batch([make_piece([echo(number=number) for number in range(4)])])
    keys = prepare_batch(batch, RULES).keys[0]
    decision = decide_batch(batch, RULES, known=[key for key in keys[:2] if key is not None])
    assert reasons(decision) == [[Reason.DUPLICATE] * 2 + [Reason.ACCEPTED] * 2]
    assert [key for _, _, key in decision.dupe_keys] == keys[2:]


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (echo("NO_SUCH"), HUB),
        (echo("PAUSED"), HUB),
        (message("TQW_TECH", sender=READER), READER),
        (echo("TQW_TECH", 1, "1/200", "1/100"), HUB),
        (echo("TQW_TECH", 1, "1/300", "5/1", "1/300"), HUB),
        (netmail(addressee="1337:1/300"), HUB),
        (packed(b"\x01INTL 1337:1/200 1337:1/100\r%LIST\r"), HUB),
    ],
)
def test_only_accepted_messages_are_remembered(raw: bytes, sender: str) -> None:
    """What is refused or held may be tossed again when it is permitted; netmail without MSGID is never a duplicate."""
    decision = decide_batch(make_batch([make_piece([raw, raw], sender=sender)]), RULES)
    assert decision.dupe_keys == []
    ((first, second),) = reasons(decision)
    assert first is second is not Reason.DUPLICATE


def test_keys_to_look_up() -> None:
    """The history is asked for the keys of messages in packets that may be tossed, and for no others."""
    pieces = [
        make_piece([echo(number=1), netmail(), echo("NO_SUCH", 2)]),
        make_piece([echo(number=3)], claim="two", sender=STRANGER),
        make_piece([echo(number=4)], claim="three", dest="1337:9/9"),
    ]
    prepared = prepare_batch(make_batch(pieces), RULES)
    assert [len(keys) for keys in prepared.keys] == [3, 0, 0]
    assert prepared.all_keys() == {key for key in prepared.keys[0] if key is not None}
    assert len(prepared.all_keys()) == 3


# --- how files end


@pytest.mark.parametrize(
    ("raw", "state", "counts"),
    [
        ([echo()], FileState.TOSSED, {"accepted": 1}),
        ([echo(), echo()], FileState.TOSSED, {"accepted": 1, "duplicate": 1}),
        ([echo("NO_SUCH")], FileState.TOSSED, {"unknown-area": 1}),
        ([netmail(), netmail(addressee=READER)], FileState.TOSSED, {"netmail": 1, "routed": 1}),
        ([], FileState.EMPTY, {}),
    ],
)
def test_outcome_of_a_packet(raw: list[bytes], state: FileState, counts: dict[str, int]) -> None:
    """A file's end tells what became of its messages."""
    decision = decide_batch(make_batch([make_piece(raw)]), RULES)
    (outcome,) = decision.outcomes
    assert (outcome.state, outcome.counts, outcome.reason, outcome.kept) == (state, counts, None, False)
    assert (outcome.claim, outcome.sender, outcome.digest, outcome.packets) == ("one", HUB, "ab" * 32, 1)
    assert decision.progress == {}
    assert decision.files == [make_file()]


def test_outcome_of_a_duplicate_packet() -> None:
    """A packet of which every message was seen before is a duplicate itself."""
    batch = make_batch([make_piece([echo(number=1), echo(number=2)])])
    decision = decide_batch(batch, RULES, known=prepare_batch(batch, RULES).all_keys())
    assert [(outcome.state, outcome.counts) for outcome in decision.outcomes] == [
        (FileState.DUPLICATE, {"duplicate": 2})
    ]


@pytest.mark.parametrize(
    ("sender", "dest", "password", "state", "reason"),
    [
        (HUB, US, b"WRONG", FileState.QUARANTINED, Reason.WRONG_PASSWORD),
        (HUB, US, b"", FileState.QUARANTINED, Reason.MISSING_PASSWORD),
        (STRANGER, US, b"", FileState.UNCLAIMED, Reason.UNKNOWN_SENDER),
        (HUB, "1337:9/9", b"SECRET", FileState.NTU, Reason.NOT_FOR_US),
    ],
)
def test_refused_packet(sender: str, dest: str, password: bytes, state: FileState, reason: Reason) -> None:
    """A refused packet is kept whole, once, and none of its messages is judged."""
    pieces = make_pieces([echo(number=number) for number in range(5)], 2, sender=sender, dest=dest, password=password)
    decision = decide_batch(make_batch(pieces), SECRET)
    (item,) = decision.set_aside
    assert (item.claim, item.member, item.state, item.reason, item.sender, item.tossed) == (
        "one", None, state, reason, sender, False,
    )  # fmt: skip
    (outcome,) = decision.outcomes
    assert (outcome.state, outcome.reason, outcome.what, outcome.counts) == (state, reason, item.what, {})
    assert (outcome.kept, outcome.kept_as) == (True, state)
    assert (decision.pieces, decision.dupe_keys) == ([], [])


def test_insecure_echomail() -> None:
    """A packet of echomail in an insecure inbound is refused whole, its netmail too."""
    piece = make_piece([netmail(), echo()], cls=InboundClass.INSECURE)
    decision = decide_batch(make_batch([piece]), RULES)
    assert [item.reason for item in decision.set_aside] == [Reason.INSECURE]
    assert decision.pieces == []


def test_unreadable_file() -> None:
    """A file that cannot be read is kept whole, with reason and offset; nothing is known of its packets."""
    decision = decide_batch(make_batch([], refusal()), RULES)
    (item,), (outcome,) = decision.set_aside, decision.outcomes
    assert (item.state, item.reason, item.offset, item.sender) == (FileState.QUARANTINED, Reason.TRUNCATED, 77, HUB)
    assert (outcome.state, outcome.reason, outcome.offset, outcome.sender) == (item.state, item.reason, 77, HUB)
    assert outcome.kept


def test_bundle_with_unreadable_members() -> None:
    """Members that cannot be read are kept one by one; the others are tossed, and the bundle itself may go."""
    pieces = [make_piece([echo(number=each)], member=each, member_name=f"{each}.pkt") for each in (0, 2)]
    batch = make_batch(pieces, refusal(member=3, reason=Reason.DAMAGED), refusal(member=1))
    decision = decide_batch(batch, RULES)
    assert sorted((item.member or 0, item.reason) for item in decision.set_aside) == [
        (1, Reason.TRUNCATED),
        (3, Reason.DAMAGED),
    ]
    (outcome,) = decision.outcomes
    assert (outcome.state, outcome.reason, outcome.kept) == (FileState.TOSSED, Reason.TRUNCATED, False)


def test_bundle_with_refused_members() -> None:
    """A packet of a bundle that must not be tossed is kept as a member, also before an unreadable one."""
    pieces = [
        make_piece([echo(number=1)], member=0, member_name="0.pkt", password=b"WRONG"),
        make_piece([echo(number=2)], member=2, member_name="2.pkt", password=b"SECRET"),
    ]
    decision = decide_batch(make_batch(pieces, refusal(member=1)), SECRET)
    assert [(item.member, item.member_name, item.reason) for item in decision.set_aside] == [
        (0, "0.pkt", Reason.WRONG_PASSWORD),
        (1, "00000001.pkt", Reason.TRUNCATED),
    ]
    assert [(piece.member, len(piece.verdicts)) for piece in decision.pieces] == [(2, 1)]
    (outcome,) = decision.outcomes
    assert (outcome.state, outcome.reason, outcome.kept) == (FileState.TOSSED, Reason.WRONG_PASSWORD, False)


def test_bundle_that_breaks_off() -> None:
    """A bundle that turns out to be unreadable half way is kept whole, whatever was set aside of it before."""
    piece = make_piece([echo()], member=0, member_name="0.pkt")
    broken = refusal(reason=Reason.ARCHIVE_DAMAGED)
    decision = decide_batch(make_batch([piece], refusal(member=1), broken), RULES)
    (outcome,) = decision.outcomes
    assert (outcome.state, outcome.kept, outcome.kept_as) == (FileState.TOSSED, True, FileState.QUARANTINED)
    assert outcome.reason is Reason.ARCHIVE_DAMAGED


@pytest.mark.parametrize("name", ["", "0.pkt"])
@pytest.mark.parametrize("size", [1, 9])
def test_trailing_junk(name: str, size: int) -> None:
    """What follows a packet is kept, once, with the packet, and the messages are tossed all the same."""
    raw = [echo(number=number) for number in range(3)]
    decision = decide_batch(make_batch(make_pieces(raw, size, junk=b"junk!", member_name=name)), RULES)
    (item,), (outcome,) = decision.set_aside, decision.outcomes
    assert (item.reason, item.tossed, item.member) == (Reason.TRAILING_JUNK, True, 0 if name else None)
    assert item.what.startswith("5 bytes")
    assert item.offset == len(make_packet_bytes(raw))
    assert (outcome.state, outcome.kept, outcome.counts) == (FileState.TOSSED, not name, {"accepted": 3})
    assert outcome.kept_as is FileState.QUARANTINED


def make_packet_bytes(raw: list[bytes]) -> bytes:
    """A packet up to the end of its terminator."""
    return bytes(58) + b"".join(raw) + b"\0\0"


def test_junk_behind_a_refused_packet() -> None:
    """A packet that is refused is kept for that reason alone."""
    decision = decide_batch(make_batch([make_piece([echo()], junk=b"junk!")]), SECRET)
    assert [item.reason for item in decision.set_aside] == [Reason.MISSING_PASSWORD]
    assert decision.outcomes[0].kept


# --- files larger than a batch


def test_large_file() -> None:
    """A file of several batches is counted as one, and remembers where it stands between them."""
    numbers = [0, 1, 2, 1, 3, 4, 0]
    pieces = make_pieces([echo(number=number) for number in numbers], 3)
    first = decide_batch(make_batch(pieces[:1], ends=[]), RULES)
    assert first.progress == {"one": FileProgress(0, 3, {"accepted": 3}, None, HUB)}
    assert first.outcomes == []
    known = {key for _, _, key in first.dupe_keys}
    second = decide_batch(make_batch(pieces[1:2], ends=[]), RULES, known, first.progress)
    assert second.progress["one"].next == 6
    last = decide_batch(make_batch(pieces[2:]), RULES, known, second.progress)
    assert last.progress == {}
    assert last.outcomes[0].counts == {"accepted": 5, "duplicate": 2}
    assert [piece.first for decision in (first, second, last) for piece in decision.pieces] == [0, 3, 6]


def test_progress_of_other_files_is_left_alone() -> None:
    """A batch says nothing about files that are not in it, and changes no value it was given."""
    before = {"one": FileProgress(0, 2, {"accepted": 2}), "two": FileProgress(4, 5, {"accepted": 9})}
    given_before = copy.deepcopy(before)
    decision = decide_batch(make_batch([make_pieces([echo()] * 3, 2)[1]], ends=[]), RULES, progress=before)
    assert decision.progress.keys() == {"one"}
    assert before == given_before


def test_progress_never_goes_back() -> None:
    """A bundle goes on behind the last thing dealt with, be it a packet or a refused member."""
    pieces = [make_piece([echo(number=each)], member=each, member_name=f"{each}.pkt") for each in (0, 2)]
    for chosen, refused, expected in (
        (pieces[:1], refusal(member=1), (2, 0)),
        (pieces, refusal(member=1), (2, 1)),
        (pieces, refusal(member=3), (4, 0)),
    ):
        progress = decide_batch(make_batch(chosen, refused, ends=[]), RULES).progress["one"]
        assert (progress.member, progress.next) == expected


def test_refused_packet_over_several_batches() -> None:
    """A large packet that is refused is set aside once; where its file goes on is behind it."""
    pieces = make_pieces([echo(number=number) for number in range(4)], 2)
    first = decide_batch(make_batch(pieces[:1], ends=[]), SECRET)
    assert first.progress["one"].member == 1
    last = decide_batch(make_batch(pieces[1:]), SECRET, progress=first.progress)
    assert (len(first.set_aside), last.set_aside) == (1, [])
    assert (last.outcomes[0].state, last.outcomes[0].kept) == (FileState.QUARANTINED, True)


def test_rules_that_change_half_way() -> None:
    """If the rest of a packet must not be tossed any more, the file is kept; nothing of it is lost without a word."""
    pieces = make_pieces([echo(number=number) for number in range(4)], 2)
    first = decide_batch(make_batch(pieces[:1], ends=[]), RULES)
    last = decide_batch(make_batch(pieces[1:]), SECRET, progress=first.progress)
    assert [item.reason for item in last.set_aside] == [Reason.MISSING_PASSWORD]
    (outcome,) = last.outcomes
    assert (outcome.state, outcome.kept, outcome.counts) == (FileState.TOSSED, True, {"accepted": 2})


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 5))
def test_cutting_changes_nothing(numbers: list[int], size: int) -> None:
    """However a packet is cut into batches, verdicts, counts and remembered keys are the same."""
    raw = [echo("TQW_TECH" if number % 3 else "NO_SUCH", number) for number in numbers]
    whole = decide_batch(make_batch([make_piece(raw)]), RULES)
    known: set[bytes] = set()
    progress: dict[str, FileProgress] = {}
    cut: list[Decision] = []
    pieces = make_pieces(raw, size)
    for piece in pieces:
        cut.append(
            decide_batch(make_batch([piece], ends=["one"] if piece is pieces[-1] else []), RULES, known, progress)
        )
        known.update(key for _, _, key in cut[-1].dupe_keys)
        progress = cut[-1].progress
    assert [reason for decision in cut for piece in reasons(decision) for reason in piece] == reasons(whole)[0]
    assert cut[-1].outcomes == whole.outcomes
    assert [key for decision in cut for key in decision.dupe_keys] == whole.dupe_keys


# --- the form of a decision


def test_verdicts_are_kept_once() -> None:
    """A decision holds each distinct verdict once, over all its pieces."""
    raw = [echo("TQW_TECH", 1), echo("TQW_GEN", 2), echo("TQW_TECH", 3), echo("NO_SUCH", 4)]
    pieces = [make_piece(raw), make_piece([echo("TQW_GEN", 5), echo("NONE", 6)], claim="two")]
    decision = decide_batch(make_batch(pieces), RULES)
    assert [piece.verdicts for piece in decision.pieces] == [[0, 1, 0, 2], [1, 2]]
    assert len(decision.verdicts) == len(set(decision.verdicts)) == 3


@pytest.mark.parametrize(("sender", "link"), [(HUB, True), (STRANGER, False)])
def test_what_a_piece_says(sender: str, link: bool) -> None:  # noqa: FBT001 - a column of the table
    """A decided piece names its place, its sender and the network it was addressed in."""
    piece = make_piece([netmail(author=sender)], sender=sender, member=3, member_name="x.pkt")
    (decided,) = decide_batch(make_batch([piece]), RULES).pieces
    assert (decided.claim, decided.member, decided.first) == ("one", 3, 0)
    assert (decided.sender, decided.link, decided.network) == (sender, link, "tqwnet")


def test_batch_counts() -> None:
    """A batch knows how many messages it has, and whether there is anything in it."""
    batch = make_batch([make_piece([echo(), echo()]), make_piece([], claim="two")])
    assert (batch.messages, batch.empty) == (2, False)
    assert Batch().empty
    assert not make_batch([], refusal()).empty
    assert not replace(batch, pieces=[]).empty
