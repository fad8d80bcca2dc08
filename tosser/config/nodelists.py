"""The section on nodelists, and its cross references."""

from collections.abc import Iterator

from pydantic import Field

from tosser.codec.nodelist_lines import ListKind
from tosser.config.complaint import Complaint, Gaps, suggest
from tosser.config.section import Section
from tosser.config.values import CharsetName, Flag, Line, PathValue, Zone


class NodelistEntry(Section):
    """A nodelist or a point list. It is read again when its file changes, or a newer one appears."""

    path: PathValue = Field(
        description="The file, or a pattern such as `/var/lib/ftn/NODELIST.*`, of which the newest file with a day "
        "number counts (`NODELIST.327`, or zipped `NODELIST.Z27`). Letter case does not count in the name of the file."
    )
    network: Line | None = Field(
        default=None, description="The network it is of; without it, it counts for addresses of all networks."
    )
    zone: Zone | None = Field(
        default=None,
        description="Zone of what stands before its first Zone line; default the one zone of its network, if it has "
        "just one.",
    )
    kind: ListKind = Field(
        default=ListKind.NODELIST, description="`nodelist`, or `pointlist`: only the points in it count."
    )
    charset: CharsetName = Field(default="CP437", description="Character set of lines that are not ASCII or UTF-8.")
    check_crc: Flag = Field(
        default=True, description="Whether a list that does not have the checksum in its first line is refused."
    )


def check_nodelists(entries: tuple[NodelistEntry, ...], networks: list[str], gaps: Gaps) -> Iterator[Complaint]:
    """Refuse networks that there are not, and lists that are given twice."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.network
        if name is not None and name not in networks and not gaps.touch("networks", name):
            where = ("nodelists", index, "network")
            yield Complaint(where, f"unknown network {name!r}", suggest(name, networks))
        first = seen.setdefault(f"{entry.kind} {entry.path}".lower(), index)
        if first != index:
            where = ("nodelists", index, "path")
            yield Complaint(where, f"{entry.path} is given before", other=("nodelists", first, "path"))
