"""Killed at every step of a toss, and a second time while that is put right."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.crash.account import account_of, compare
from tests.crash.lives import KILLED, live, live_as_daemon
from tests.crash.scenes import SCENES, prepare
from tests.crash.seam import Death, Moment, read_trace
from tests.peers.daemon import DONE, SET_ASIDE

if TYPE_CHECKING:
    from tests.crash.account import Account
    from tests.crash.report import Report, Share
    from tests.crash.scenes import Scene
    from tests.crash.seam import Step

KILLS, AGAIN = "operations killed at", "killed again while recovering"
DAEMON = "operations of the daemon killed at"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A scene, and what becomes of it when nobody disturbs.

    Attributes:
        scene: the scene.
        steps: those of its toss.
        account: what is there afterwards.
    """

    scene: Scene
    steps: list[Step]
    account: Account

    @classmethod
    def run(cls, scene: Scene) -> Undisturbed:
        """Toss, and look."""
        scene.set_up()
        trace = scene.node.root.with_name("trace")
        code = live(scene.node, "toss", trace=trace)
        account = account_of(scene.node)
        assert code in {DONE, SET_ASIDE} and not account.strays, (code, account.strays)  # noqa: PT018 - one condition
        return cls(scene, read_trace(trace), account)

    def deaths(self) -> list[Death]:
        """List every death there is."""
        return [
            Death(number, moment)
            for number, step in enumerate(self.steps)
            for moment in Moment
            if moment is not Moment.HALF or len(step.data) > 1
        ]

    def recover(self, report: Report, where: str) -> None:
        """Toss again, undisturbed, and compare."""
        log = self.scene.node.root.with_name(f"{self.scene.name}.log")
        log.write_bytes(b"")
        code = live(self.scene.node, "toss")
        differences = compare(self.account, account_of(self.scene.node))
        if code not in {DONE, SET_ASIDE}:
            differences.other.append(f"the toss ended with {code}")
        if differences.lines:
            differences.said = log.read_text("utf-8", "replace").splitlines()[-4:]
        report.note(f"{self.scene.name}: {where}", differences)


def kill_everywhere(report: Report, share: Share, *, limit: int | None, seed: int) -> None:
    """Kill a toss before, after and half way through each of its steps, or through ``limit`` of them."""
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        deaths = usual.deaths()
        if limit is not None:
            random.Random(seed).shuffle(deaths)
        for death in deaths[share.of(limit)]:
            usual.scene.set_up()
            _die(usual, death, report, KILLS)
            usual.recover(report, f"killed {death.moment} step {death.step}, {usual.steps[death.step].name}")


def kill_twice(report: Report, share: Share, *, limit: int, seed: int) -> None:
    """Kill a toss at some step, and the next at some step of putting that right; ``limit`` pairs a scene."""
    rng = random.Random(f"{seed}/{share.worker}")
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        deaths = usual.deaths()
        for _ in range(share.count(limit)):
            first = rng.choice(deaths)
            # There is always less to do after a kill; early steps are those of recovery itself.
            left = len(usual.steps) - first.step + 10
            second = Death(min(rng.randrange(left), rng.randrange(left)), rng.choice(list(Moment)))
            usual.scene.set_up()
            _die(usual, first, report, KILLS)
            _die(usual, second, report, AGAIN)
            usual.recover(
                report, f"killed {first.moment} step {first.step}, {usual.steps[first.step].name}, "
                f"then {second.moment} step {second.step}",
            )  # fmt: skip


def kill_daemon(report: Report, share: Share, *, limit: int, seed: int) -> None:
    """Kill the daemon, instead of a single toss, at ``limit`` of its steps."""
    rng = random.Random(f"{seed}/{share.worker}")
    trace = share.home / "trace"
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        usual.scene.set_up()
        code = live_as_daemon(usual.scene.node, death=None, trace=trace)
        differences = compare(usual.account, account_of(usual.scene.node))
        assert not code and not differences.lines, (code, differences)  # noqa: PT018 - one condition
        steps = len(read_trace(trace))
        for _ in range(share.count(limit)):
            death = Death(rng.randrange(steps), rng.choice((Moment.BEFORE, Moment.AFTER)))
            usual.scene.set_up()
            died = live_as_daemon(usual.scene.node, death=death, trace=trace) == KILLED
            report.counts[DAEMON if died else f"{DAEMON}: not reached"] += 1
            usual.recover(report, f"the daemon killed {death.moment} step {death.step}")


def _die(usual: Undisturbed, death: Death, report: Report, what: str) -> None:
    died = live(usual.scene.node, "toss", death=death) == KILLED
    report.counts[what if died else f"{what}: not reached"] += 1
