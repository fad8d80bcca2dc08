"""Structured logs: JSON lines for machines or readable ones for people, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from tosser.codec.kludge import find_value
from tosser.rules.verdict import TargetKind

if TYPE_CHECKING:
    from tosser.rules.decision import FileOutcome
    from tosser.rules.plan import Plan

log = structlog.get_logger()


def configure(level: str, form: str) -> None:
    """Set up logging for the process.

    Args:
        level: name of the least important level to show.
        form: ``json`` or ``console``.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # shows no values of variables
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info if form == "json" else _for_people,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _for_people(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Leave out what is not known, and leave exceptions to the console renderer, which shows them in full."""
    return {name: value for name, value in event.items() if value is not None}


def tell(plan: Plan) -> None:
    """Log what became of the files, what was tolerated in them, and every message that is not in its area."""
    names = {file.claim: file.name for file in plan.decision.files}
    for piece in plan.pieces:
        for warning in piece.summary.warnings if piece.starts_packet else ():
            log.info(
                "packet_tolerated", file=names[piece.file.claim], packet=piece.member_name or None,
                code=str(warning.code), what=warning.text, offset=warning.offset,
            )  # fmt: skip
    for target, entries in plan.appends.items():
        if target.kind is not TargetKind.BAD:
            continue
        for entry in entries:
            log.info(
                "message_refused",
                reason=entry.verdict.reason.value,
                file=names[entry.decision.claim],
                packet=entry.piece.member_name or None,
                message=entry.piece.first + entry.index,
                area=entry.text.area,
                msgid=_text(find_value(entry.text.kludges, b"MSGID")),
                sender=entry.decision.sender,
                kept_in=target.tag,
            )
    for item in plan.decision.set_aside:
        if item.member is not None:
            log.warning(
                "packet_set_aside", file=names[item.claim], packet=item.member_name, state=item.state.value,
                reason=item.reason.value, what=item.what, offset=item.offset, sender=item.sender,
            )  # fmt: skip
    for outcome in plan.decision.outcomes:
        _tell_outcome(names[outcome.claim], outcome)


def _tell_outcome(name: str, outcome: FileOutcome) -> None:
    facts = {
        "file": name,
        "claim": outcome.claim,
        "state": outcome.state.value,
        "sender": outcome.sender,
        "packets": outcome.packets,
        "messages": outcome.counts,
    }
    if outcome.reason is None:
        log.info("file_done", **facts)
    else:
        log.warning("file_done", **facts, reason=outcome.reason.value, what=outcome.what, offset=outcome.offset)


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "backslashreplace") if value else None
