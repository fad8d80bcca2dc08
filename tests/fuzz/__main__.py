"""Coverage-guided fuzzing (atheris, libFuzzer) of everything that takes bytes from outside.

::

    python -m tests.fuzz [--seconds N | --runs N] [--corpus DIR] [TARGET ...]    look for inputs that break something
    python -m tests.fuzz TARGET FILE                                             try one input again

Each target runs in a process of its own. What reached something new stays in the corpus directory, one subdirectory a
target, and is where the next run goes on. Ends with 1 when an input broke something; it is kept as well.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
import traceback
from contextlib import redirect_stderr
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.fuzz.target import Check, Target

NOT_HERE = (
    "fuzzing needs atheris, which is not here: it comes as wheels for CPython 3.11 to 3.14 on Linux x86-64, and is not "
    f"built from source; this is Python {sys.version.split(maxsplit=1)[0]} on {os.uname().machine}"
)
HANGS = 60
"""Seconds after which one input is a finding because it takes so long; sound ones take milliseconds."""
_DONE = re.compile(r"Done (\d+) runs in \d+ second")
_COVERAGE = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)")
_MARK = "=== broken: "
_TAIL = 4000
"""Characters of a log that are shown when something broke."""


class Run(NamedTuple):
    """One run of a target: where its inputs and its log are."""

    target: Target
    corpus: Path
    log: Path


def main(arguments: Sequence[str], targets: Mapping[str, Target] | None = None) -> int:
    """Do what the command line says, with all targets unless others are given."""
    options = _parse(arguments)
    try:
        import atheris  # noqa: PLC0415 - there are machines without it
    except ImportError:
        print(NOT_HERE, file=sys.stderr)
        return 1
    if targets is None:
        with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["tosser"]):
            from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - it imports what is to be instrumented
        targets = TARGETS
    *names, last = options.targets or [*targets]
    if len(names) == 1 and last not in targets:
        return _try_again(targets[names[0]], Path(last))
    with tempfile.TemporaryDirectory(prefix="fuzz", dir=_memory()) as scratch:
        corpus = options.corpus or Path(scratch) / "corpus"
        runs = [Run(targets[name], corpus / name, Path(scratch) / f"{name}.log") for name in (*names, last)]
        share = max(options.seconds * options.jobs // len(runs), 1)
        limit = f"-runs={options.runs}" if options.runs else f"-max_total_time={share}"

        def fuzz(run: Run) -> None:
            directory = Path(scratch) / "work" / run.target.name
            directory.mkdir(parents=True)
            atheris.Setup(_command(run, limit), _kept_if_broken(run, run.target.make(directory)))
            atheris.Fuzz()

        return _run_all(runs, fuzz, options.jobs)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (default 60)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, in place of --seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time (default processors)")
    parser.add_argument("--corpus", type=Path, help="directory that keeps inputs from run to run")
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="default all; with a file: try that input again")
    return parser.parse_args(arguments)


def _memory() -> str | None:
    """A directory in memory, where there is one."""
    memory = "/dev/shm"  # noqa: S108 - what is made there gets a directory of its own
    return memory if os.access(memory, os.W_OK) else None


def _command(run: Run, limit: str) -> list[str]:
    """Write the inputs to begin with, and give libFuzzer's command line."""
    run.corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(run.target.seeds()):
        (run.corpus / f"seed-{number:03}").write_bytes(seed)
    options = [limit, f"-max_len={run.target.longest}", "-seed=1", f"-timeout={HANGS}"]
    return ["fuzz", str(run.corpus), *options, f"-artifact_prefix={_broken(run, '')}"]


def _kept_if_broken(run: Run, check: Check) -> Check:
    """Have a check end the process with an input that breaks it: libFuzzer would not keep one of a forked process."""

    def guarded(data: bytes) -> None:
        try:
            check(data)
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding, and the process ends
            sys.stdout.write(_MARK)
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            _broken(run, sha256(data).hexdigest()[:12]).write_bytes(data)
            os._exit(1)

    return guarded


def _broken(run: Run, name: str) -> Path:
    """Name a file for an input that broke something."""
    return run.corpus.with_name(f"broken-{run.target.name}-{name}")


def _try_again(target: Target, file: Path) -> int:
    with tempfile.TemporaryDirectory(dir=_memory()) as directory:
        target.make(Path(directory))(file.read_bytes())
    return 0


def _run_all(runs: Sequence[Run], fuzz: Callable[[Run], None], together: int) -> int:
    """Run some at a time, and tell of each as it ends."""
    waiting, running, sound = list(reversed(runs)), dict[int, Run](), True
    while waiting or running:
        while waiting and len(running) < together:
            run = waiting.pop()
            running[_fork(run, fuzz)] = run
        child, status = os.wait()
        sound &= _tell(running.pop(child), os.waitstatus_to_exitcode(status))
    return 0 if sound else 1


def _fork(run: Run, fuzz: Callable[[Run], None]) -> int:
    """Start a run in a process of its own, which has what was imported and instrumented here."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    with run.log.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        fuzz(run)
    finally:
        traceback.print_exc()
        os._exit(1)  # libFuzzer ends the process itself


def _tell(run: Run, code: int) -> bool:
    """Print what a run came to; false when it found something."""
    log = run.log.read_text("utf-8", "replace")
    done = _DONE.search(log)
    if code == 0 and done is not None:
        places, kept = (_COVERAGE.findall(log) or [("0", "0")])[-1]
        print(f"{run.target.name:14} {done[1]:>9} inputs, {places:>5} places reached, {kept:>4} inputs kept")
        return True
    print(f"{run.target.name}: broken (exit code {code})\n{log[max(log.rfind(_MARK), 0) :][-_TAIL:]}")
    for path in run.corpus.parent.glob(_broken(run, "*").name):
        print(f"{path}: {path.read_bytes()!r}")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
