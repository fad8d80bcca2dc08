"""What the parts take, made of sections of a configuration that was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.rules.answer_rules import AnswerRules, Robot
from tosser.rules.commands import CommandRules, CommandUser
from tosser.rules.hooks import Hook, Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.config.answers import AnswersSection, RobotEntry
    from tosser.config.commands import Commands
    from tosser.config.hooks import HookEntry
    from tosser.config.kinds import Url


def answer_rules(answers: AnswersSection, robots: dict[str, RobotEntry], signature: str) -> AnswerRules:
    """Make what the rules need."""
    return AnswerRules(
        bounces=answers.bounces,
        trace=answers.trace,
        receipts=answers.receipts,
        per_system=answers.per_system,
        total=answers.total,
        period=answers.period,
        quote=answers.quote,
        signature=signature,
        robots={
            name.casefold(): Robot(name, entry.command, entry.timeout, entry.insecure) for name, entry in robots.items()
        },
    )


def command_rules(commands: Commands) -> CommandRules:
    """Make what the rules need."""
    users = (
        CommandUser(
            name=user.name,
            token=user.token.get_secret_value(),
            areas=user.areas,
            netmail=user.netmail,
            authors=tuple(author.strip() for author in user.authors),
            max_size=user.max_size,
            max_per_hour=user.max_per_hour,
        )
        for user in commands.users
    )
    return CommandRules({user.name: user for user in users}, commands.max_request)


def hooks_of(entries: Mapping[str, HookEntry]) -> list[Hook]:
    """Make what is called."""
    return [
        Hook(name, _webhook(entry, entry.url) if entry.url else entry.command, entry.timeout, entry.give_up,
             entry.max_waiting)
        for name, entry in entries.items()
    ]  # fmt: skip


def _webhook(entry: HookEntry, url: Url) -> Webhook:
    headers = {name: value.get_secret_value() for name, value in entry.headers.items()}
    return Webhook(url.host, url.port, url.tls, url.target, headers, str(entry.ca or ""))
