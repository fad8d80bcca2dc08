"""The model disk: what may be on it when the power goes, and what must."""

from __future__ import annotations

import random

from tests.crash.medium import Medium
from tests.crash.seam import COMMIT, Step

ROOT = "/node"
WRITE = [
    Step("create", f"{ROOT}/out/.a.tmp"),
    Step("write_at", f"{ROOT}/out/.a.tmp", data=b"x" * 2000),
    Step("rename", f"{ROOT}/out/.a.tmp", f"{ROOT}/out/a"),
]


def states(*steps: Step) -> list[dict[str, bytes | None]]:
    """Take steps on a disk with one directory and one file in it, and give every state that may be found."""
    medium = Medium(ROOT, {"out": None, "out/old": b"old"})
    for step in steps:
        medium.take(step)
    return [tree for tree, _ in medium.states(random.Random(1), 50)]


def test_nothing_synced() -> None:
    """Without a sync each change may be missing, and a file may have its name before its bytes."""
    found = states(*WRITE)
    assert {"out": None, "out/old": b"old"} in found
    assert any(tree.get("out/a") == b"" for tree in found)
    assert any(tree.get("out/a") == bytes(2000) for tree in found)
    assert any(tree.get("out/a") == b"x" * 2000 for tree in found)
    assert any("out/.a.tmp" in tree for tree in found)
    torn = {tree["out/a"] for tree in found if "out/a" in tree} - {b"", bytes(2000), b"x" * 2000}
    assert torn
    assert all(piece in {b"x" * 512, bytes(512)} for data in torn if data for piece in _sectors(data))


def test_file_synced() -> None:
    """A synced file has its bytes wherever its name is, and its name may still be missing."""
    found = states(*WRITE, Step("sync_file", f"{ROOT}/out/a"))
    assert all(tree.get("out/a", b"x" * 2000) == b"x" * 2000 for tree in found)
    assert any("out/a" not in tree for tree in found)


def test_directory_synced() -> None:
    """A synced directory has its names, also those that came and went before."""
    found = states(*WRITE, Step("sync_directory", f"{ROOT}/out"))
    assert all("out/a" in tree and "out/.a.tmp" not in tree for tree in found)
    assert any(tree["out/a"] == b"" for tree in found)


def test_all_synced() -> None:
    """When all is synced there is one state, and so it is after a sync of everything."""
    for last in (
        [Step("sync_file", f"{ROOT}/out/a"), Step("sync_directory", f"{ROOT}/out")],
        [Step("sync_everything")],
    ):
        assert states(*WRITE, *last) == [{"out": None, "out/old": b"old", "out/a": b"x" * 2000}]


def test_directory_lost() -> None:
    """What is in a directory is lost with it, synced or not."""
    made = Step("make_one_directory", f"{ROOT}/out/sub")
    inside = Step("create", f"{ROOT}/out/sub/b")
    found = states(made, inside, Step("sync_directory", f"{ROOT}/out/sub"))
    assert {"out": None, "out/old": b"old"} in found
    assert {"out": None, "out/old": b"old", "out/sub": None, "out/sub/b": b""} in found


def test_files_that_were_deleted() -> None:
    """A deleted file may be back until its directory was synced, and so may one that was replaced."""
    assert any("out/old" in tree for tree in states(Step("unlink", f"{ROOT}/out/old")))
    gone = [Step("unlink", f"{ROOT}/out/old"), Step("sync_directory", f"{ROOT}/out")]
    assert states(*gone) == [{"out": None}]
    replaced = states(*WRITE[:2], Step("sync_everything"), Step("rename", f"{ROOT}/out/.a.tmp", f"{ROOT}/out/old"))
    assert {tree["out/old"] for tree in replaced} == {b"old", b"x" * 2000}
    assert all(("out/.a.tmp" in tree) == (tree["out/old"] == b"old") for tree in replaced)


def test_commits() -> None:
    """A commit is there when it returned; that of a killed process may be lost until something is synced."""
    medium = Medium(ROOT, {"state": None})
    before, after = (("tosser.db", b"1"),), (("tosser.db", b"2"),)
    medium.take(Step(COMMIT, database=before))
    medium.take(Step(COMMIT, database=after))
    assert {database for _, database in medium.states(random.Random(1), 20)} == {after}
    medium.doubt(before)
    medium.take(Step("create", f"{ROOT}/state/x"))
    assert {database for _, database in medium.states(random.Random(1), 20)} == {before, after}
    medium.take(Step("sync_everything"))
    medium.take(Step("create", f"{ROOT}/state/y"))
    assert {database for _, database in medium.states(random.Random(1), 20)} == {after}


def test_torn_commits() -> None:
    """While a commit is written its log may be torn, and never is what it was to become."""
    medium = Medium(ROOT, {"state": None})
    medium.take(Step(COMMIT, database=(("tosser.db", b"1"), ("tosser.db-wal", b"a" * 1024))))
    log = b"a" * 1024 + b"b" * 2048
    torn = list(
        medium.torn_commits(Step(COMMIT, database=(("tosser.db", b"1"), ("tosser.db-wal", log))), random.Random(1), 9)
    )
    assert torn
    assert all(dict(database)["tosser.db-wal"] != log for _, database in torn)


def _sectors(data: bytes) -> list[bytes]:
    return [data[at : at + 512] for at in range(0, len(data) // 512 * 512, 512)]
