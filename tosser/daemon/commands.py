"""The desk where requests to post are judged: each is either recorded, once and for all, or refused with a reason.

What a request comes to is decided in this order: can it be read, who sent it, was it answered before, may its user do
that, can it be posted, and is there room within the hour. Only then is it recorded, with its serial numbers, its packet
and its answer in one transaction; the next pass of the toss does the rest.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from tosser.daemon.conditions import COMMANDS
from tosser.daemon.drafting import choose_place, draft, file_name
from tosser.errors import PostError, StateError
from tosser.events.told import Told
from tosser.reason import PostReason
from tosser.rules.commands import accepted_answer, check_rights, id_of, prove, read_request, refused_answer
from tosser.state.commands import Carried, Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tosser.config.model import Config
    from tosser.daemon.conditions import Conditions
    from tosser.daemon.drafting import Draft
    from tosser.daemon.posts import AcceptedPosts
    from tosser.rules.commands import CommandRules, CommandUser, PostRequest
    from tosser.rules.network import Rulebook
    from tosser.state.state import State

log = structlog.get_logger()

_COUNTED_AT_ONCE = 50
"""Refusals that are counted in one transaction: a flood of them must not keep the database from the mail."""
_LONGEST_MESSAGE = 300
"""Characters of a sentence in an answer; it may repeat what was asked for."""


class CommandDesk:
    """Judges requests, one at a time.

    Args:
        config: the configuration.
        rules: the sysop's world.
        commands: who may post.
        state: where accepted requests are recorded.
        posts: told that there are some.
        conditions: takes what is wrong.
        wake: has the toss begin a pass.
    """

    def __init__(
        self,
        config: Config,
        rules: Rulebook,
        commands: CommandRules,
        *,
        state: State,
        posts: AcceptedPosts,
        conditions: Conditions,
        wake: Callable[[], None],
    ) -> None:
        self._config = config
        self._rules = rules
        self._commands = commands
        self._state = state
        self._posts = posts
        self._conditions = conditions
        self._wake = wake
        self._uncounted: Counter[str] = Counter()
        self._told = Told("commands_refused")

    async def answer(self, payload: bytes) -> bytes:
        """Carry out a request and give the answer; a request that is refused changes nothing.

        Raises:
            StateError: the database cannot be used; the request is to be tried again.
        """
        answer = await asyncio.to_thread(self._answer, payload)
        if self._posts.due:
            self._wake()
        return answer

    async def settle(self) -> None:
        """Count what was not counted yet.

        Raises:
            StateError: the database cannot be used.
        """
        if self._uncounted:
            await asyncio.to_thread(self._settle)

    async def say(self, trouble: str) -> None:
        """Note why no requests come in; an empty text when they do."""
        await asyncio.to_thread(self._conditions.say, {COMMANDS: trouble})

    # --- in a thread

    def _answer(self, payload: bytes) -> bytes:
        try:
            request = read_request(payload, self._commands)
        except PostError as error:
            return self._refuse(id_of(payload, self._commands), "", error)
        known = request.user if request.user in self._commands.users else ""
        try:
            return self._carry_out(request).encode("utf-8")
        except PostError as error:
            return self._refuse(request.id, known, error)
        except StateError:
            raise
        except Exception:  # a mistake of ours must not end the daemon: the broker would send the request again
            log.exception("command_failed", user=known, id=request.id)
            return self._refuse(request.id, known, PostError(PostReason.FAILED.text, PostReason.FAILED))

    def _carry_out(self, request: PostRequest) -> str:
        """Accept a request, or give the answer that it got before.

        Raises:
            PostError: it is refused.
        """
        user = prove(request, self._commands)
        before = self._state.command_answer(user.name, request.id)
        if before is not None:
            digest, answer = before
            if digest != request.digest:
                raise PostError(f"id {request.id} belongs to another request", PostReason.ID_REUSED)
            self._count("repeated")
            log.info("command_repeated", user=user.name, id=request.id)
            return answer
        place = choose_place(request.wish, self._rules)
        author = check_rights(user, request.wish, place.area)
        drafted = draft(replace(request.wish, sender=author), place, self._config)
        return self._record(request, user, drafted)

    def _record(self, request: PostRequest, user: CommandUser, drafted: Draft) -> str:
        now = time.time()
        command = Command(user.name, request.id, request.digest, len(drafted.posts), user.max_per_hour)

        def carry_out(first: int) -> Carried:
            answer = accepted_answer(request.id, drafted.msgids(first))
            return Carried(_text(answer), file_name(first), drafted.packet(first, now))

        answer = self._state.record_command(command, now, carry_out)
        if answer is None:
            what = f"{user.name} may post {user.max_per_hour} messages within an hour, and has"
            raise PostError(what, PostReason.RATE_LIMIT)
        self._posts.due = True
        log.info("command_accepted", user=user.name, id=request.id, place=str(drafted.place), messages=command.messages)
        return answer

    def _refuse(self, id: str | None, user: str, error: PostError) -> bytes:  # noqa: A002 - its name in requests
        self._count(error.reason.value)
        what = error.what if len(error.what) <= _LONGEST_MESSAGE else f"{error.what[:_LONGEST_MESSAGE]}..."
        if self._told.may():
            log.warning("command_refused", user=user, id=id, reason=error.reason.value, error=what)
        return _text(refused_answer(id, error.reason, what)).encode("utf-8")

    def _count(self, outcome: str) -> None:
        self._uncounted[outcome] += 1
        if self._uncounted.total() >= _COUNTED_AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        self._state.count_commands(self._uncounted)
        self._uncounted.clear()


def _text(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
