"""Reason codes: why a file or a message ended where it did.

One vocabulary for logs, events, metrics, quarantine notes and ``tosser explain``, so that a code seen in one place can
be searched in all others. The code is the enum value; ``text`` is the sentence for people; ``docs/quarantine.md`` lists
them all and a test keeps it so.
"""

from __future__ import annotations

from enum import StrEnum


class FileState(StrEnum):
    """The final state of one inbound file. Every file that enters an inbound reaches exactly one of these."""

    TOSSED = "tossed"
    DUPLICATE = "duplicate"
    EMPTY = "empty"
    QUARANTINED = "quarantined"
    UNCLAIMED = "unclaimed"
    NTU = "ntu"

    @property
    def text(self) -> str:
        """What the state means, for people."""
        return _STATE_TEXTS[self]


class Reason(StrEnum):
    """Why something was set aside, dropped or not delivered."""

    __hash__ = str.__hash__
    """Each message asks for it several times, and that of `enum.Enum` is written in Python."""

    # --- a packet that cannot be read
    HEADER_SHORT = "header-short"
    PACKET_TYPE = "packet-type"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    FIELD_TOO_LONG = "field-too-long"
    TEXT_TOO_LONG = "text-too-long"
    CONCATENATED = "concatenated"
    TRAILING_JUNK = "trailing-junk"
    FILE_TOO_LARGE = "file-too-large"
    # --- a bundle that cannot or must not be unpacked
    ARCHIVE_DAMAGED = "archive-damaged"
    ARCHIVE_ENCRYPTED = "archive-encrypted"
    ARCHIVE_LIMITS = "archive-limits"
    ARCHIVE_UNSAFE = "archive-unsafe"
    ARCHIVE_NESTED = "archive-nested"
    ARCHIVE_UNKNOWN = "archive-unknown"
    ARCHIVE_TOOL = "archive-tool"
    NOT_A_PACKET = "not-a-packet"
    # --- a packet that must not be tossed
    NOT_FOR_US = "not-for-us"
    UNKNOWN_SENDER = "unknown-sender"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a reason code, not a password
    MISSING_PASSWORD = "missing-password"  # noqa: S105 - as above
    INSECURE = "insecure"
    POISON = "poison"
    NOTE_LOST = "note-lost"
    # --- a message that is not stored in its area
    INVALID_TAG = "invalid-tag"
    UNKNOWN_AREA = "unknown-area"
    NOT_LINKED = "not-linked"
    MAY_NOT_WRITE = "may-not-write"
    AREA_PAUSED = "area-paused"
    TOO_OLD = "too-old"
    TOO_NEW = "too-new"
    DUPLICATE = "duplicate"
    LOOP = "loop"
    CIRCULAR = "circular"
    # --- a message that is stored
    ACCEPTED = "accepted"
    NETMAIL = "netmail"
    ROUTED = "routed"
    # --- a netmail to another system that is kept, because it cannot go on
    NO_ROUTE = "no-route"
    UNKNOWN_POINT = "unknown-point"
    VIA_LOOP = "via-loop"
    ROUTE_BACK = "route-back"
    INSECURE_TRANSIT = "insecure-transit"
    LINK_NOT_ALLOWED = "link-not-allowed"
    TOO_LARGE = "too-large"
    FILE_REQUEST = "file-request"
    ATTACH_NO_ROUTE = "attach-no-route"
    ATTACH_MISSING = "attach-missing"
    ATTACH_UNSAFE = "attach-unsafe"
    LINK_PAUSED = "link-paused"

    @property
    def text(self) -> str:
        """What the code means, for people."""
        return _REASON_TEXTS[self]

    @property
    def held(self) -> bool:
        """Whether it is why a netmail to another system is kept; it goes on once the reason is gone."""
        return self in _HELD


class PostReason(StrEnum):
    """Why a message was not posted, or a request to post one was not carried out."""

    # --- a request that cannot be read
    REQUEST_TOO_LARGE = "request-too-large"
    MALFORMED = "malformed"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    BAD_ID = "bad-id"
    # --- a request that must not be carried out
    NOT_AUTHORISED = "not-authorised"
    ID_REUSED = "id-reused"
    MAY_NOT_WRITE = "may-not-write"
    MAY_NOT_SEND_NETMAIL = "may-not-send-netmail"
    MAY_NOT_SIGN = "may-not-sign"
    RATE_LIMIT = "rate-limit"
    # --- a message that cannot be posted
    NO_PLACE = "no-place"
    UNKNOWN_AREA = "unknown-area"
    AMBIGUOUS_AREA = "ambiguous-area"
    AREA_PAUSED = "area-paused"
    BAD_ADDRESS = "bad-address"
    NO_NETWORK = "no-network"
    NO_TEXT = "no-text"
    NOT_UTF8 = "not-utf8"
    TEXT_TOO_LARGE = "text-too-large"
    BAD_SPLIT = "bad-split"
    NO_ADDRESSEE = "no-addressee"
    FIELD_TOO_LONG = "field-too-long"
    CONTROL_CHARACTER = "control-character"
    UNKNOWN_CHARSET = "unknown-charset"
    NOT_IN_CHARSET = "not-in-charset"
    NO_PARENT = "no-parent"
    PARENT_UNREADABLE = "parent-unreadable"
    FAILED = "failed"

    @property
    def text(self) -> str:
        """What the code means, for people."""
        return _POST_TEXTS[self]


_STATE_TEXTS = {
    FileState.TOSSED: "read whole; every message has its verdict and is where the verdict says",
    FileState.DUPLICATE: "read whole; every message in it had been seen before, nothing was stored",
    FileState.EMPTY: "nothing in it: zero bytes, or a packet without messages",
    FileState.QUARANTINED: "could not or must not be tossed; kept in the quarantine with a reason",
    FileState.UNCLAIMED: "from a system that is not among the links; kept until a link is configured or it is dropped",
    FileState.NTU: "addressed to another system (not to us); kept until it is forwarded by hand or dropped",
}

_REASON_TEXTS = {
    Reason.HEADER_SHORT: "the file is shorter than a packet header (58 bytes)",
    Reason.PACKET_TYPE: "the header does not say packet type 2, so this is not a packet we can read",
    Reason.TRUNCATED: "the file ends inside a message",
    Reason.DAMAGED: "where a message or the end of the packet should begin there is something else",
    Reason.FIELD_TOO_LONG: "a To, From or Subject field has no end within four times its longest legal length",
    Reason.TEXT_TOO_LONG: "a message text is longer than the limit",
    Reason.CONCATENATED: "a second packet follows the end of the first",
    Reason.TRAILING_JUNK: "bytes follow the end of the packet; its messages were tossed and the file was kept",
    Reason.FILE_TOO_LARGE: "the file is larger than the limit",
    Reason.ARCHIVE_DAMAGED: "the archive is damaged or cut",
    Reason.ARCHIVE_ENCRYPTED: "the archive is encrypted",
    Reason.ARCHIVE_LIMITS: "the archive holds more members or bytes than the limits, or is an archive bomb",
    Reason.ARCHIVE_UNSAFE: "a member of the archive has a name or type that points outside (.., absolute, link)",
    Reason.ARCHIVE_NESTED: "a member of the bundle is itself an archive",
    Reason.ARCHIVE_UNKNOWN: "the archive format is not known, or no program is configured for it",
    Reason.ARCHIVE_TOOL: "the program configured for this archive format failed, or ran out of time",
    Reason.NOT_A_PACKET: "a member of the bundle is not a packet",
    Reason.NOT_FOR_US: "the packet is addressed to another system",
    Reason.UNKNOWN_SENDER: "the packet carries echomail from a system that is not among the links",
    Reason.WRONG_PASSWORD: "the packet password is wrong",
    Reason.MISSING_PASSWORD: "the link has a packet password and the packet carries none",
    Reason.INSECURE: "echomail in an insecure inbound, without a packet password that proves the link",
    Reason.POISON: "processing failed three times without a verdict",
    Reason.NOTE_LOST: "the note beside a file in the quarantine is missing or broken; the file itself is as it came",
    Reason.INVALID_TAG: "the area tag is missing or has characters that no tag may have",
    Reason.UNKNOWN_AREA: "no area of this network has this tag",
    Reason.NOT_LINKED: "the sender is not linked to the area",
    Reason.MAY_NOT_WRITE: "the sender may read the area but not write to it",
    Reason.AREA_PAUSED: "the area is paused",
    Reason.TOO_OLD: "the message is older than the area accepts",
    Reason.TOO_NEW: "the message is dated further in the future than the area accepts",
    Reason.DUPLICATE: "the message had been seen before in this area",
    Reason.LOOP: "our own address is already in PATH",
    Reason.CIRCULAR: "another system stands twice in PATH with others between",
    Reason.ACCEPTED: "stored in its area",
    Reason.NETMAIL: "netmail to one of our addresses, stored in the netmail base",
    Reason.ROUTED: "netmail to another system, sent on to a link",
    Reason.NO_ROUTE: "no route leads to the system the netmail is for",
    Reason.UNKNOWN_POINT: "the netmail is for a point of ours that is not among the links",
    Reason.VIA_LOOP: "our own address is already in a Via line, or there are more than fifty of them",
    Reason.ROUTE_BACK: "the route leads back to the system the netmail came from",
    Reason.INSECURE_TRANSIT: "netmail to another system from one that no password has proven",
    Reason.LINK_NOT_ALLOWED: "the system it came from may not send netmail to others through us",
    Reason.TOO_LARGE: "the netmail is larger than what may pass",
    Reason.FILE_REQUEST: "a file request that is not for us",
    Reason.ATTACH_NO_ROUTE: "no file route leads to the system the netmail and its files are for",
    Reason.ATTACH_MISSING: "a file that belongs to the netmail has not come",
    Reason.ATTACH_UNSAFE: "the name of an attached file is a path, or hidden, or no name at all",
    Reason.LINK_PAUSED: "the link that the netmail would go to is paused",
}
_POST_TEXTS = {
    PostReason.REQUEST_TOO_LARGE: "the request has more bytes than the limit",
    PostReason.MALFORMED: "the request is not one JSON object in UTF-8, or has a member twice",
    PostReason.UNKNOWN_FIELD: "the request has a member that is not known",
    PostReason.MISSING_FIELD: "the request lacks a member that it must have",
    PostReason.WRONG_TYPE: "a member of the request has a value of the wrong type",
    PostReason.BAD_ID: "the id is empty, too long, or has other than printable ASCII characters",
    PostReason.NOT_AUTHORISED: "there is no such user, or the token is not that of the user",
    PostReason.ID_REUSED: "the id belongs to another request of this user",
    PostReason.MAY_NOT_WRITE: "the user may not write to this area",
    PostReason.MAY_NOT_SEND_NETMAIL: "the user may not send netmail",
    PostReason.MAY_NOT_SIGN: "the user may not write under this name",
    PostReason.RATE_LIMIT: "the user has posted as many messages within an hour as it may",
    PostReason.NO_PLACE: "neither an area nor an address, or both",
    PostReason.UNKNOWN_AREA: "there is no such area",
    PostReason.AMBIGUOUS_AREA: "several networks have an area of this tag",
    PostReason.AREA_PAUSED: "the area is paused",
    PostReason.BAD_ADDRESS: "what should be an address is none",
    PostReason.NO_NETWORK: "the address belongs to no network of ours, or to several",
    PostReason.NO_TEXT: "there is no text",
    PostReason.NOT_UTF8: "the text is not UTF-8",
    PostReason.TEXT_TOO_LARGE: "the text has more bytes than the limit",
    PostReason.BAD_SPLIT: "the size of the parts is too small",
    PostReason.NO_ADDRESSEE: "a netmail without addressee",
    PostReason.FIELD_TOO_LONG: "a name or the subject is longer than its field",
    PostReason.CONTROL_CHARACTER: "a name or the subject has a control character",
    PostReason.UNKNOWN_CHARSET: "there is no such character set",
    PostReason.NOT_IN_CHARSET: "a character is not in the character set",
    PostReason.NO_PARENT: "the message that is answered is not in our base",
    PostReason.PARENT_UNREADABLE: "the base that should have the message that is answered cannot be read",
    PostReason.FAILED: "something failed that should not; the log of the tosser says what",
}
_HELD = frozenset(
    {
        Reason.NO_ROUTE,
        Reason.UNKNOWN_POINT,
        Reason.VIA_LOOP,
        Reason.ROUTE_BACK,
        Reason.INSECURE_TRANSIT,
        Reason.LINK_NOT_ALLOWED,
        Reason.TOO_LARGE,
        Reason.FILE_REQUEST,
        Reason.ATTACH_NO_ROUTE,
        Reason.ATTACH_MISSING,
        Reason.ATTACH_UNSAFE,
        Reason.LINK_PAUSED,
    }
)
