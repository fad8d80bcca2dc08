from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, SYSTEM, TWO_NETWORKS, mistakes

if TYPE_CHECKING:
    from pathlib import Path

LINKED = NETWORK + "links:\n  - address: 1337:1/100\n"
"""One link; six lines."""


@pytest.mark.parametrize(
    ("addition", "problem"),
    [
        (
            "areas: [{tag: A, links: [1337:1/10]}]",
            "7:26 areas[0].links[0]: unknown link 1337:1/10 (did you mean '1337:1/100'?)",
        ),
        (
            "areas: [{tag: A, links: [{address: 1337:1/10, write: false}]}]",
            "7:26 areas[0].links[0]: unknown link 1337:1/10 (did you mean '1337:1/100'?)",
        ),
        (
            "areas: [{tag: A, links: [1337:1/100@othernet]}]",
            "7:26 areas[0].links[0]: unknown link 1337:1/100@othernet (did you mean '1337:1/100'?)",
        ),
        (
            "areas: [{tag: A, links: [1337:1/100, 1337:1/100@tqwnet]}]",
            "7:38 areas[0].links[1]: link 1337:1/100@tqwnet is given before in this area",
        ),
        ("areas: [{tag: A}, {tag: a, path: x}]", "7:25 areas[1].tag: area A is given before, at tosser.yaml:7:15"),
        (
            "areas: [{tag: badmail.tqwnet}]",
            "7:15 areas[0].tag: BADMAIL.TQWNET is the bad area of network tqwnet and needs no entry",
        ),
        (
            "areas: [{tag: A, path: b}, {tag: B}]",
            "7:34 areas[1].tag: base path bases/b is given before, at tosser.yaml:7:24",
        ),
        (
            "areas: [{tag: A, path: ./x/../badmail.tqwnet}]",
            "7:24 areas[0].path: base path bases/badmail.tqwnet is given before, at tosser.yaml:4:11",
        ),
        (
            "netmail: {path: mail}\nareas: [{tag: MAIL}]",
            "8:15 areas[0].tag: base path bases/mail is given before, at tosser.yaml:7:17",
        ),
        (
            "areas: [{tag: A, network: tqwnt}]",
            "7:27 areas[0].network: unknown network 'tqwnt' (did you mean 'tqwnet'?)",
        ),
        (
            "areas: [{tag: A, aka: 1337:1/201}]",
            "7:23 areas[0].aka: 1337:1/201 is not one of our addresses in network tqwnet (did you mean '1337:1/200'?)",
        ),
        (
            "  - address: 1337:1/100@TQWNET",
            "7:14 links[1].address: link 1337:1/100@tqwnet is given before, at tosser.yaml:6:14",
        ),
        ("  - address: 1337:1/200", "7:14 links[1].address: 1337:1/200 is one of our own addresses"),
        ("  - address: 21:1/100", "7:14 links[1].address: zone 21 belongs to no network"),
        ("  - address: 1337:1/5@fidonet", "7:14 links[1].address: zone 1337 with domain fidonet belongs to no network"),
        (
            "  - {address: 1337:1/5, network: fsxnet}",
            "7:34 links[1].network: unknown network 'fsxnet'",
        ),
        (
            "  - {address: 5:1/5, network: tqwnet}",
            "7:15 links[1].address: zone 5 is not among the zones of network tqwnet",
        ),
        (
            "  - {address: 1337:1/5@fsxnet, network: tqwnet}",
            "7:15 links[1].address: its domain is not that of network tqwnet, tqwnet",
        ),
        (
            "  - {address: 1337:1/5, our_aka: 99:9/9}",
            "7:34 links[1].our_aka: 99:9/9 is not one of our addresses in network tqwnet",
        ),
        (
            "netmail: {routes: [{match: '*', via: 1337:1/999}]}",
            "7:38 netmail.routes[0].via: unknown link 1337:1/999 (did you mean '1337:1/100'?)",
        ),
        (
            "netmail: {store: msg, keep: {days: 3}}",
            "7:29 netmail.keep: *.MSG files are not purged; it is for a JAM base",
        ),
        ("area_defaults: {store: msg}", "7:24 area_defaults.store: should be one of jam, passthrough"),
        (
            "link_defaults: {archiver: zap}",
            "7:27 link_defaults.archiver: unknown archiver 'zap' (did you mean 'zip'?)",
        ),
        (
            "  - {address: 1337:1/5, archiver: lha}",
            "7:35 links[1].archiver: unknown archiver 'lha' (zip, none, or an entry of `archivers`)",
        ),
        (
            "  - {address: 1337:1/5, archiver: ZIP}",
            "7:35 links[1].archiver: unknown archiver 'ZIP' (did you mean 'zip'?)",
        ),
        (
            "netmail: {robots: {PING: pong}}",
            "7:26 netmail.robots.PING: should be `ping`, or a mapping with a `command`",
        ),
        ("netmail: {robots: {W: {timeout: 9s}}}", "7:23 netmail.robots.W: should be `ping`, or have a `command`"),
        (
            "archivers: {x: {formats: [zop], unpack: [x, '{archive}']}}",
            (
                "7:27 archivers.x.formats[0]: should be one of packet, zip, gzip, tar, arc, arj, lzh, rar, zoo, 7z, "
                "bzip2, xz, zstd, sqz, ace, uc2, hyp, cab (did you mean 'zoo'?)"
            ),
        ),
        ("hooks: {a: {timeout: 9s}}", "7:12 hooks.a: should have either a `command` or a `url`"),
        (
            "archivers: {lha: {formats: [lzh], unpack: [lha, '{archive}']}}\nlink_defaults: {archiver: lha}",
            "8:27 link_defaults.archiver: archiver 'lha' has no `pack` command",
        ),
        (
            "archivers: {zip: {formats: [lzh], unpack: [lha, '{archive}']}}",
            "7:13 archivers.zip: 'zip' is built in; choose another name",
        ),
        (
            "archivers:\n  a: &a {formats: [lzh], unpack: [a, '{archive}']}\n  b: *a",
            "8:20 archivers.b.formats[0]: format lzh is unpacked by 'a' already",
        ),
        (
            "  - {address: 1337:1/200.5, packet_type: 2}",
            "7:15 links[1].address: type 2 packets do not state points, so each would be taken for its boss; use 2+",
        ),
        (
            "  - {address: 1337:1/5, same_system_as: 1337:1/10}",
            "7:41 links[1].same_system_as: unknown link 1337:1/10 (did you mean '1337:1/100'?)",
        ),
        (
            "  - {address: 1337:1/5, same_system_as: 1337:1/5}",
            "7:41 links[1].same_system_as: a link is the same system as itself; name its other address",
        ),
        (
            "  - {address: 1337:1/5, sbadd: [5/1, 2:5/1]}",
            "7:38 links[1].sbadd[1]: SEEN-BY of zone 2 is never written here",
        ),
        (
            "areas: [{tag: A, sbignore: [1337:5/1, 2:5/1]}]",
            "7:39 areas[0].sbignore[1]: SEEN-BY of zone 2 is never written here",
        ),
        (
            "  - {address: 1337:1/5, filebox: box}",
            "7:34 links[1].filebox: nothing is sent, to file boxes either, without paths.outbound",
        ),
        ("mqtt: {url: 'mqtt://a', tls: {ca: ca.pem}}", "7:30 mqtt.tls: certificates need an mqtts:// url"),
        ("mqtt: {url: 'mqtts://a', tls: {cert: a.pem}}", "7:31 mqtt.tls: cert and key need each other"),
        ("mqtt: {url: 'mqtts://a', password: x}", "7:36 mqtt.password: a password needs a username"),
    ],
)
def test_what_does_not_fit_together_is_placed(tmp_path: Path, addition: str, problem: str) -> None:
    """One mistake is one problem, at the value that refers to something, with a suggestion where one is near."""
    assert mistakes(tmp_path, LINKED + addition + "\n") == [f"tosser.yaml:{problem}"]


def test_points_need_a_packet_type_that_knows_them(tmp_path: Path) -> None:
    """When we are a point, no link may get packets that do not say so, whoever chose their type."""
    text = (
        NETWORK.replace("1337:1/200", "1337:1/100.7")
        + "link_defaults: {packet_type: 2}\nlinks:\n  - address: 1337:1/100\n"
        + "  - {address: 1337:1/5, packet_type: 2.2}\n"
    )

    (problem,) = mistakes(tmp_path, text)
    assert problem.startswith("tosser.yaml:7:14 links[0].address: type 2 packets do not state points")


def test_links_of_one_system_are_told_apart(tmp_path: Path) -> None:
    """Where two networks have a link of that number, its domain has to say which is the same system."""
    text = SYSTEM + (
        "networks: {a: {addresses: [1:1/1]}, b: {addresses: [1:1/1]}}\n"
        "links:\n"
        "  - address: 1:1/5@a\n"
        "  - address: 1:1/5@b\n"
        "  - {address: 1:1/6@a, same_system_as: 1:1/5}\n"
    )

    assert mistakes(tmp_path, text) == [
        "tosser.yaml:7:40 links[2].same_system_as: link 1:1/5 is in networks a and b; say which with its domain"
    ]


def test_what_could_not_be_read_is_not_unknown(tmp_path: Path) -> None:
    """A link whose entry has a mistake of its own may be named as another link's other address."""
    text = LINKED + "    flavour: fast\n  - {address: 1337:1/5, same_system_as: 1337:1/100}\n"

    assert mistakes(tmp_path, text) == [
        "tosser.yaml:7:14 links[0].flavour: should be one of normal, hold, direct, crash, immediate"
    ]


@pytest.mark.parametrize(
    ("boxes", "problems"),
    [
        (["box", "x/../box"], ["10:14 links[1].filebox: box is given before, at tosser.yaml:8:14"]),
        (["in"], ["8:14 links[0].filebox: a file box cannot be inside inbound in"]),
        (["in/box"], ["8:14 links[0].filebox: a file box cannot be inside inbound in"]),
        (["state/box"], ["8:14 links[0].filebox: a file box cannot be inside paths.state"]),
        (
            ["out", "bases"],
            [
                "8:14 links[0].filebox: out is also paths.outbound",
                "10:14 links[1].filebox: bases is also paths.bases",
            ],
        ),
    ],
)
def test_fileboxes_are_apart(tmp_path: Path, boxes: list[str], problems: list[str]) -> None:
    """Each link has a file box of its own, which nothing else reads or keeps files in."""
    text = (
        SYSTEM.replace("{secure: [in]}}", "{secure: [in]}\n  , outbound: out}")
        + "networks:\n  tqwnet: {addresses: [1337:1/200]}\nlinks:\n"
        + "".join(f"  - address: 1337:1/{number}\n    filebox: {box}\n" for number, box in enumerate(boxes, 1))
    )

    assert mistakes(tmp_path, text) == [f"tosser.yaml:{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("networks", "problems"),
    [
        (
            "  a: {addresses: [1:1/1, 2:1/1], zones: [1]}",
            ["4:26 networks.a.addresses[1]: zone 2 is not among the zones of network a"],
        ),
        (
            "  a: {addresses: [1:1/1@b]}",
            ["4:19 networks.a.addresses[0]: its domain is not that of network a, a"],
        ),
        (
            "  a: {addresses: [1:1/1, 1:1/1@A]}",
            ["4:26 networks.a.addresses[1]: address 1:1/1@a is given before, at tosser.yaml:4:19"],
        ),
        (
            "  a: {addresses: [1:1/1], domain: x}\n  b: {addresses: [1:1/2], domain: x}",
            ["5:3 networks.b: zone 1 with domain x belongs to network a already"],
        ),
        (
            "  a: {addresses: [1:1/1], bad_area: X}\n  b: {addresses: [2:1/2], bad_area: x}",
            ["5:37 networks.b.bad_area: base path bases/x is given before, at tosser.yaml:4:37"],
        ),
    ],
)
def test_networks_are_told_apart(tmp_path: Path, networks: str, problems: list[str]) -> None:
    """Addresses belong to their network, and no address belongs to two."""
    assert mistakes(tmp_path, f"{SYSTEM}networks:\n{networks}\n") == [f"tosser.yaml:{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("area", "problem"),
    [
        ("{tag: A}", "10:5 areas[0]: there are several networks and no link tells which; say it with `network:`"),
        (
            "{tag: A, links: [1337:1/100, 21:1/100]}",
            "10:5 areas[0]: its links belong to networks fsxnet and tqwnet; say which is meant with `network:`",
        ),
        (
            "{tag: A, network: fsxnet, links: [1337:1/100, 21:1/100]}",
            "10:39 areas[0].links[0]: link 1337:1/100 belongs to network tqwnet, the area to fsxnet",
        ),
        (
            "{tag: A, network: fsxnet, aka: 1337:1/200}",
            "10:36 areas[0].aka: 1337:1/200 is not one of our addresses in network fsxnet",
        ),
    ],
)
def test_an_area_has_one_network(tmp_path: Path, area: str, problem: str) -> None:
    """What leaves the network of an area open, or mixes two, is a mistake."""
    assert mistakes(tmp_path, f"{TWO_NETWORKS}areas:\n  - {area}\n")[0].startswith(f"tosser.yaml:{problem}")


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ("[1337:1/101]", "10:22 areas[0].links[0]: unknown link 1337:1/101 (did you mean '1337:1/100'?)"),
        ("1337:1/100", "10:21 areas[0].links: should be a list"),
    ],
)
def test_a_network_that_a_wrong_link_would_tell_is_not_asked_for(tmp_path: Path, links: str, problem: str) -> None:
    """Where the links of an area are wrong, that they do not tell its network is no mistake of its own."""
    assert mistakes(tmp_path, f"{TWO_NETWORKS}areas:\n  - {{tag: A, links: {links}}}\n") == [f"tosser.yaml:{problem}"]


def test_an_ambiguous_link_is_a_mistake(tmp_path: Path) -> None:
    """Where two networks have the zone, the link has to say which it is in."""
    text = SYSTEM + (
        "networks: {a: {addresses: [1:1/1]}, b: {addresses: [1:1/2]}}\n"
        "links: [{address: 1:1/5}]\n"
        "areas: [{tag: A, links: [1:1/5]}]\n"
    )

    assert mistakes(tmp_path, text) == [
        "tosser.yaml:4:19 links[0].address: zone 1 belongs to networks a and b; say which is meant with `network:`"
    ]


@pytest.mark.parametrize(
    ("paths", "problems"),
    [
        ("inbound: {}", ["2:46 paths.inbound: at least one inbound directory is needed"]),
        (
            "inbound: {secure: [in, x/../in], local: [./in]}",
            [
                "2:60 paths.inbound.secure[1]: in is listed before, at tosser.yaml:2:56",
                "2:78 paths.inbound.local[0]: in is listed before, at tosser.yaml:2:56",
            ],
        ),
        (
            "inbound: {secure: [state, state/in]}",
            [
                "2:56 paths.inbound.secure[0]: an inbound directory cannot be inside paths.state, state",
                "2:63 paths.inbound.secure[1]: an inbound directory cannot be inside paths.state, state",
            ],
        ),
        (
            "inbound: {secure: [out, bases]}, outbound: out",
            [
                "2:56 paths.inbound.secure[0]: out is also paths.outbound",
                "2:61 paths.inbound.secure[1]: bases is also paths.bases",
            ],
        ),
        ("inbound: {secure: [in]}, outbound: state", ["2:72 paths.outbound: state is also paths.state"]),
        ("inbound: {secure: [in]}, outbound: bases", ["2:72 paths.outbound: bases is also paths.bases"]),
    ],
)
def test_inbounds_are_apart(tmp_path: Path, paths: str, problems: list[str]) -> None:
    """Each inbound is one directory of its own."""
    text = NETWORK.replace("inbound: {secure: [in]}", paths)

    assert mistakes(tmp_path, text) == [f"tosser.yaml:{problem}" for problem in problems]
