"""Killed at any step, then started again: every packet is sent exactly once, and nothing is left over."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.outbound.killing import Killed, Life
from tests.outbound.yard import LINK, POINT, SIZE, Yard, with_settings
from tosser.outbound.flowfile import FlowFiles, absolute_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.rules.network import Link

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
LONG = 10_000
"""More steps than anything takes."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for an outbound that is begun a thousand times; in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory) / "yard"


def box_of(home: Path) -> Path:
    """Where the file box of a link is."""
    return home / "box"


def prepared(home: Path, link: Link) -> tuple[Yard, list[int]]:
    """Give an outbound in which a bundle with two packets waits, and three more packets are staged."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    if link.filebox:
        link = with_settings(link, filebox=str(box_of(home)))
    yard = Yard(home, link)
    serials = yard.stage(SIZE, SIZE)
    yard.shipper.ship(link)
    return yard, serials + yard.stage(SIZE, SIZE, SIZE)


def die(yard: Yard, steps: int) -> Life:
    """Ship until so many steps are taken, then die and start again."""
    life = Life(steps)
    with pytest.MonkeyPatch.context() as patch:
        life.disk(patch)
        yard.use(life.register(yard.state))
        try:
            yard.shipper.ship(yard.link)
        except Killed:
            pass
        else:
            assert life.steps <= steps
    yard.restart()
    return life


def mail_goes(yard: Yard, dies: str = "") -> None:
    """Have the mailer send what it finds, whatever a dead process locked; it may die itself."""
    if yard.link.filebox:
        yard.mailer.empty_box(box_of(yard.home))
    else:
        yard.mailer.dies = dies
        yard.mailer.session(heeding=False)
        yard.mailer.dies = ""


def leftovers(yard: Yard) -> set[Path]:
    """List the files that are anywhere but in the state."""
    return {path for path in yard.home.rglob("*") if path.is_file() and yard.home / "state" not in path.parents}


def check_flow_files(yard: Yard) -> None:
    """No mailer is made to call for what is not there; a line that was written in part names nothing."""
    lines = FlowFiles(yard.directory, yard.mailer.stem).waiting() if yard.directory.is_dir() else []
    named = [path for path in absolute_paths(lines) if re.fullmatch(r"[0-9a-f]{8}\.[0-9a-z]{3}", path.name)]
    assert all(path.is_file() for path in named)


def check_all_sent_once(yard: Yard, serials: list[int]) -> None:
    """Ship what waits, have it sent, and look at what the other side got and what is left."""
    struck_out = {path for path in yard.directory.glob("*") if path.name in {name for name, _ in yard.mailer.sent}}
    while yard.shipper.links_waiting():
        yard.shipper.ship(yard.link)
    with yard.shipper.round():
        pass  # what could not be removed in the round before goes in the next, also when there is no mail
    if yard.link.filebox:
        yard.mailer.empty_box(box_of(yard.home))
    else:
        assert yard.mailer.session()
    assert yard.mailer.packets == serials
    names = [name for name, _ in yard.mailer.sent]
    assert len(names) == len(set(names))
    assert leftovers(yard) <= struck_out
    [totals] = yard.state.overview().links
    assert totals.packets_out == len(serials)


LINKS = {
    "zip": LINK,
    "zip in parts": with_settings(LINK, max_bundle=2 * SIZE + 400),
    "bare": with_settings(LINK, archiver="none"),
    "program": with_settings(LINK, archiver="script"),
    "program in parts": with_settings(LINK, archiver="script", max_bundle=2 * SIZE + 600),
    "point": POINT,
    "box": with_settings(LINK, filebox="yes"),
    "box, in parts": with_settings(LINK, filebox="yes", max_bundle=2 * SIZE + 400),
    "box, bare": with_settings(LINK, filebox="yes", archiver="none"),
    "box, program": with_settings(LINK, filebox="yes", archiver="script"),
}


def steps_of(home: Path, link: Link) -> range:
    """Count the steps that shipping takes."""
    yard, serials = prepared(home, link)
    life = die(yard, LONG)
    check_all_sent_once(yard, serials)
    yard.close()
    assert life.steps > 8
    return range(life.steps)


QUICK = [kind for kind in LINKS if "program" not in kind]
CASES = [
    *((kind, before, between) for kind in QUICK for before in ("added", "new") for between in ("nobody", "a mailer")),
    *((kind, "added", "a mailer") for kind in LINKS if kind not in QUICK),
    *((kind, "added", f"a mailer: {dies}") for kind in ("zip", "zip in parts") for dies in ("struck out", "deleted")),
]
"""What kind of link, whether the bundle that waited was sent before, and who comes before the process is back."""


@pytest.mark.parametrize(("kind", "before", "between"), CASES)
def test_killed_at_every_step(home: Path, kind: str, before: str, between: str) -> None:
    """Whatever step the process dies at, and whether or not the mailer comes before it is back."""
    for steps in steps_of(home, LINKS[kind]):
        yard, serials = prepared(home, LINKS[kind])
        if before == "new":
            mail_goes(yard)
        die(yard, steps)
        if between != "nobody":
            mail_goes(yard, between.partition(": ")[2])
        if not between.endswith("deleted"):
            yard.shipper.ship(yard.link)
            check_flow_files(yard)
        check_all_sent_once(yard, serials)
        yard.close()


@pytest.mark.parametrize("kind", ["zip", "zip in parts", "bare", "box"])
@pytest.mark.parametrize("between", ["nothing", "mailer"])
def test_killed_again_while_recovering(home: Path, kind: str, between: str) -> None:
    """Whatever step it dies at, and whatever step of setting that right it dies at again."""
    for first in list(steps_of(home, LINKS[kind]))[::2]:
        second = 0
        while True:
            yard, serials = prepared(home, LINKS[kind])
            die(yard, first)
            if between == "mailer":
                mail_goes(yard)
            yard.stage(SIZE)
            serials.append(serials[-1] + 1)
            life = die(yard, second)
            if between == "mailer":
                mail_goes(yard)
            check_all_sent_once(yard, serials)
            yard.close()
            if life.steps <= second:
                break
            second += 3


@pytest.fixture
def failing(home: Path) -> Iterator[tuple[Yard, list[int]]]:
    """An outbound where a bundle waits and packets are staged."""
    yard, serials = prepared(home, LINK)
    yield yard, serials
    yard.close()


def test_a_lock_left_behind(failing: tuple[Yard, list[int]]) -> None:
    """A lock that we left keeps mailers off until we are back, and does not keep us off."""
    yard, serials = failing
    yard.bso.lock(yard.link.address)._take()
    assert not yard.mailer.session()
    yard.shipper.ship(yard.link)
    check_all_sent_once(yard, serials)


def test_a_lock_left_behind_with_nothing_to_do(failing: tuple[Yard, list[int]]) -> None:
    """A lock that we left is removed when we are back, though no mail waits."""
    yard, serials = failing
    yard.shipper.ship(yard.link)
    yard.bso.lock(yard.link.address)._take()
    yard.restart()
    check_all_sent_once(yard, serials)


@pytest.mark.parametrize("kind", LINKS)
def test_a_disk_that_fails(home: Path, kind: str) -> None:
    """A process that lives on after an error of the disk leaves no lock, and does all of it the next time."""
    for steps in steps_of(home, LINKS[kind]):
        yard, serials = prepared(home, LINKS[kind])
        with pytest.MonkeyPatch.context() as patch:
            life = _fail_once(patch, steps)
            try:
                yard.shipper.ship(yard.link)
            except OSError as error:
                assert str(error) == "the disk is full"  # noqa: PT017 - whether it is raised depends on the step
        if any(re.fullmatch(r"unlink .*\.bsy", failed) for failed in life.journal[steps : steps + 1]):
            yard.restart()  # the lock could not be removed
        check_all_sent_once(yard, serials)
        yard.close()


def _fail_once(patch: pytest.MonkeyPatch, steps: int) -> Life:
    """Have one step of the disk fail, and those after it succeed."""
    life = Life(LONG)
    life.disk(patch)
    original = life.step

    def step(what: str) -> bool:
        original(what)
        if life.steps == steps + 1:
            raise OSError("the disk is full")
        return False

    patch.setattr(life, "step", step)
    return life


def test_nothing_is_forgotten_when_settings_change(home: Path) -> None:
    """A link that gets another archiver, flavour or a file box while a shipment is half done gets all of it."""
    changes: list[dict[str, Any]] = [
        {"archiver": "none"},
        {"archiver": "script"},
        {"flavour": "crash"},
        {"filebox": "yes"},
    ]
    for steps in steps_of(home, LINK):
        for change in changes:
            yard, serials = prepared(home, LINK)
            die(yard, steps)
            box = {"filebox": str(box_of(home))} if "filebox" in change else {}
            yard.link = with_settings(LINK, **(change | box))
            while yard.shipper.links_waiting():
                yard.shipper.ship(yard.link)
            assert yard.mailer.session()
            yard.mailer.empty_box(box_of(home))
            assert yard.mailer.packets == serials
            assert box or leftovers(yard) == set()
            yard.close()
