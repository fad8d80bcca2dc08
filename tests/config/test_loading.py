from __future__ import annotations

import gc
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.config.documents import NETWORK, SYSTEM, load, mistakes
from tosser.codec.flow import Flavour
from tosser.config.loading import find_config, load_config
from tosser.config.model import Config
from tosser.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config" / "tosser.yaml"

WRONG = """\
system: {name: 5, sysopp: Jane}
paths:
  state: /var/lib/tosser
  bases: /var/lib/tosser/bases
  inbound:
    secure: [/in.secure, /in.secure]
    insecure: [/var/lib/tosser/in]
  inbound: {}
networks:
  tqwnet: {addresses: [1337:1/200], bad_area: A B}
  fsxnet: {addresses: [21:1/5]}
link_defaults: {packet_type: "3", flavour: crsh, max_packet: 5 MB}
links:
  - adress: 1337:1/100
    packet_password: TOOLONGPASSWORD
  - address: 1337:1/201
    packet_password: 1234
    archiver: zp
  - address: 21:1/5
  - address: 21:1/100
    packet_pasword: x
areas:
  - tag: TQW_TECH
    links: [1337:1/100, 1337:1/202, 1337:1/201]
  - tag: FSX GEN
  - tag: TQW_GEN
    links: [21:1/100]
    network: tqwnt
    store: jamm
  - tag: tqw_tech
    links: [1337:1/201]
    aka: 1337:1/1
    paused: yes
    max_age: 5
mqtt: {url: http://x, window: 0}
toss: {poll: 10ms}
netmail:
  store: passthrough
  routes: [{match: "1337:*", via: 1337:1/999}, {match: x, via: 1337:1/201}]
archivers: {arj: {formats: [], unpack: [arj, e]}}
log:
"""

ALL_WRONG = """\
tosser.yaml:1:16 system.name: should be text; put it in quotes
tosser.yaml:1:19 system.sysopp: unknown key 'sysopp' (did you mean 'sysop'?)
tosser.yaml:6:26 paths.inbound.secure[1]: /in.secure is listed before, at tosser.yaml:6:14
tosser.yaml:7:16 paths.inbound.insecure[0]: an inbound directory cannot be inside paths.state, /var/lib/tosser
tosser.yaml:8:3 paths: key 'inbound' was given before, at tosser.yaml:5:3
tosser.yaml:10:47 networks.tqwnet.bad_area: should be an area tag: up to 79 printable ASCII characters, no \
blank, no leading + or -
tosser.yaml:12:30 link_defaults.packet_type: should be one of 2, 2+, 2.2
tosser.yaml:12:44 link_defaults.flavour: should be one of normal, hold, direct, crash, immediate (did you \
mean 'crash'?)
tosser.yaml:12:62 link_defaults.max_packet: should be a size such as 512KiB, 2MiB, 1GiB or a number of bytes
tosser.yaml:14:5 links[0].adress: unknown key 'adress' (did you mean 'address'?)
tosser.yaml:15:22 links[0].packet_password: a packet password has at most 8 characters
tosser.yaml:17:22 links[1].packet_password: should be text; put it in quotes
tosser.yaml:18:15 links[1].archiver: unknown archiver 'zp' (did you mean 'zip'?)
tosser.yaml:19:14 links[2].address: 21:1/5 is one of our own addresses
tosser.yaml:21:5 links[3].packet_pasword: unknown key 'packet_pasword' (did you mean 'packet_password'?)
tosser.yaml:24:25 areas[0].links[1]: unknown link 1337:1/202 (did you mean '1337:1/201'?)
tosser.yaml:25:10 areas[1].tag: should be an area tag: up to 79 printable ASCII characters, no blank, no leading + or -
tosser.yaml:28:14 areas[2].network: unknown network 'tqwnt' (did you mean 'tqwnet'?)
tosser.yaml:29:12 areas[2].store: should be one of jam, passthrough (did you mean 'jam'?)
tosser.yaml:30:10 areas[3].tag: area TQW_TECH is given before, at tosser.yaml:23:10
tosser.yaml:32:10 areas[3].aka: 1337:1/1 is not one of our addresses in network tqwnet (did you mean '1337:1/200'?)
tosser.yaml:33:13 areas[3].paused: should be true or false
tosser.yaml:34:14 areas[3].max_age: should be a duration with its unit, such as 12h or 365d, or unlimited
tosser.yaml:35:13 mqtt.url: should be mqtt://host:port, or mqtts://host:port for TLS
tosser.yaml:35:31 mqtt.window: should be at least 1
tosser.yaml:36:14 toss.poll: should be at least 100ms
tosser.yaml:38:10 netmail.store: netmail to us has to be kept; it cannot be passthrough
tosser.yaml:39:35 netmail.routes[0].via: unknown link 1337:1/999 (did you mean '1337:1/201'?)
tosser.yaml:39:56 netmail.routes[1].match: 'x' is not an address pattern (digits, ':', '/', '.', '*' and '?')
tosser.yaml:40:28 archivers.arj.formats: should not be empty
tosser.yaml:40:40 archivers.arj.unpack: should name {archive}, and may name {directory}, nothing else in braces
tosser.yaml:41:5 log: has no value; give one or remove it
"""


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """Mistakes of YAML, of single values and between them come in one list, in the order of the file."""
    assert mistakes(tmp_path, WRONG) == ALL_WRONG.splitlines()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "{}\n",
            ["1:1 system: is required", "1:1 paths: is required", "1:1 networks: is required"],
        ),
        (
            "networks: {}\nsystem: 5\npaths: {state: s}\nareas: [{tag: A, links: [1:1/1]}]\n",
            [
                "1:11 networks: should not be empty",
                "2:9 system: should be a mapping (key: value)",
                "3:8 paths.bases: is required",
                "3:8 paths.inbound: is required",
                "4:26 areas[0].links[0]: unknown link 1:1/1",
            ],
        ),
        (
            SYSTEM
            + "networks: {a.b: {addresses: [1:1/1]}, n: {adresses: [2:1/1]}}\n"
            + "links: [{address: 3:1/1, archiver: zap}]\n",
            [
                "3:12 networks.a.b: a network's name is up to 31 letters, digits, '_', '-' and '~'",
                "3:43 networks.n.adresses: unknown key 'adresses' (did you mean 'addresses'?)",
                "4:36 links[0].archiver: unknown archiver 'zap' (did you mean 'zip'?)",
            ],
        ),
        (
            NETWORK
            + "links: [5, {address: 1337:1/x}, {address: 1337:1/100}]\n"
            + "areas: [{tag: A, links: [5, 1337:1/x, 1337:1/9]}]\n",
            [
                "5:9 links[0]: should be a mapping (key: value)",
                "5:22 links[1].address: '1337:1/x' is not an FTN address (zone:net/node[.point][@domain])",
                "6:26 areas[0].links[0]: should be a mapping (key: value)",
                "6:29 areas[0].links[1]: '1337:1/x' is not an FTN address (zone:net/node[.point][@domain])",
                "6:39 areas[0].links[2]: unknown link 1337:1/9 (did you mean '1337:1/100'?)",
            ],
        ),
        (
            NETWORK + 'system: {sysop: x}\nnothing: 1\n"line\\nbreak": 1\n',
            [
                "5:1: key 'system' was given before, at tosser.yaml:1:1",
                "6:1 nothing: unknown key 'nothing'",
                "7:1 line\\nbreak: unknown key 'line\\nbreak'",
            ],
        ),
        (
            NETWORK + "links: [{address: 1337:1/100, areafix: {password: ''}}]\n",
            ["5:51 links[0].areafix.password: should not be empty"],
        ),
        (
            NETWORK + "archivers: {x: {formats: [lzh, zip], unpack: ['{archive}', '{home}']}}\n",
            [
                "5:32 archivers.x.formats[1]: zip needs no program",
                "5:46 archivers.x.unpack: should name {archive}, and may name {directory}, nothing else in braces",
            ],
        ),
    ],
)
def test_a_mistake_hides_no_other_and_makes_none(tmp_path: Path, text: str, problems: list[str]) -> None:
    """Whatever can still be judged is judged; what only follows from another mistake is not told."""
    assert mistakes(tmp_path, text) == [f"tosser.yaml:{problem}" for problem in problems]


def test_an_unreadable_link_is_not_unknown_to_its_areas(tmp_path: Path) -> None:
    """A link with a mistake in its entry exists; its areas are right to name it."""
    text = NETWORK + (
        "links: [{adress: 1337:1/100, flavour: hold}, {address: 1337:1/101}]\n"
        "areas: [{tag: A, links: [1337:1/100, 1337:1/101]}]\n"
    )

    assert mistakes(tmp_path, text) == [
        "tosser.yaml:5:10 links[0].adress: unknown key 'adress' (did you mean 'address'?)"
    ]


def test_places_are_right_behind_entries_that_were_taken_out(tmp_path: Path) -> None:
    """Cross references are judged without the unreadable entries, and told with the indices of the file."""
    text = NETWORK + (
        "links:\n"
        "  - {}\n"
        "  - address: 1337:1/100\n"
        "  - 5\n"
        "  - address: 1337:1/100\n"
        "areas:\n"
        "  - {}\n"
        "  - {tag: A, links: [x, 1337:1/7]}\n"
        "  - {tag: A}\n"
    )

    assert mistakes(tmp_path, text) == [
        "tosser.yaml:6:5 links[0].address: is required",
        "tosser.yaml:8:5 links[2]: should be a mapping (key: value)",
        "tosser.yaml:9:14 links[3].address: link 1337:1/100 is given before, at tosser.yaml:7:14",
        "tosser.yaml:11:5 areas[0].tag: is required",
        "tosser.yaml:12:22 areas[1].links[0]: 'x' is not an FTN address (zone:net/node[.point][@domain])",
        "tosser.yaml:12:25 areas[1].links[1]: unknown link 1337:1/7 (did you mean '1337:1/100'?)",
        "tosser.yaml:13:11 areas[2].tag: area A is given before, at tosser.yaml:12:11",
    ]


def test_the_example_is_good() -> None:
    """The commented example passes the check as it is, and shows what it says."""
    config = load_config(EXAMPLE, {})

    assert config.system.name == "Example BBS"
    assert [link.flavour for link in config.links] == [None, Flavour.HOLD]
    assert config.mqtt is not None
    assert EXAMPLE.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=./tosser.schema.json\n")


def test_the_defaults_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    """Sections that the example spells out say what holds without them."""
    shown = load_config(EXAMPLE, {})
    least = load(tmp_path, NETWORK + "mqtt: {url: 'mqtt://127.0.0.1:1883'}\nmetrics: {}\n")

    for section in ("link_defaults", "area_defaults", "limits", "mqtt", "toss", "metrics", "log"):
        assert getattr(shown, section) == getattr(least, section), section
    assert shown.netmail.model_copy(update={"routes": ()}) == least.netmail


def test_a_configuration_does_not_change(tmp_path: Path) -> None:
    """What was checked stays as it was."""
    config = load(tmp_path, NETWORK)

    with pytest.raises(ValueError, match="frozen"):
        config.toss.poll = 1.0


def test_the_collector_runs_again_after_loading(tmp_path: Path) -> None:
    """Loading pauses the garbage collector and leaves it as it was, whatever happens."""
    load(tmp_path, NETWORK)
    assert gc.isenabled()
    mistakes(tmp_path, "x: [\n")
    assert gc.isenabled()


def test_the_configuration_file_is_searched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line comes first, then the environment, then the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("tosser.yaml", "named.yaml", "environment.yaml"):
        (tmp_path / name).touch()
    environ = {"TOSSER_CONFIG": "environment.yaml"}

    assert find_config(Path("named.yaml"), environ) == Path("named.yaml")
    assert find_config(None, environ) == Path("environment.yaml")
    assert find_config(None, {"TOSSER_CONFIG": ""}) == Path("tosser.yaml")


def test_the_system_wide_file_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name and without a file here, the one in /etc is taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc.yaml").touch()
    monkeypatch.setattr("tosser.config.loading.PLACES", (Path("tosser.yaml"), tmp_path / "etc.yaml"))

    assert find_config(None, {}) == tmp_path / "etc.yaml"


@pytest.mark.parametrize(
    ("explicit", "environ", "message"),
    [
        (Path("absent.yaml"), {}, "absent.yaml: there is no such file; --config names it"),
        (None, {"TOSSER_CONFIG": "gone.yaml"}, "gone.yaml: there is no such file; $TOSSER_CONFIG names it"),
        (
            None,
            {},
            "tosser: no configuration file; looked for tosser.yaml and /none/tosser.yaml; $TOSSER_CONFIG is not set",
        ),
    ],
)
def test_a_missing_file_is_told_with_the_places_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, explicit: Path | None, environ: dict[str, str], message: str
) -> None:
    """A file that was named is not silently replaced by another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tosser.config.loading.PLACES", (Path("tosser.yaml"), Path("/none/tosser.yaml")))
    with pytest.raises(ConfigError) as caught:
        find_config(explicit, environ)

    assert str(caught.value) == message


def _keys() -> set[str]:
    """Collect every key that any section has."""
    schema = Config.model_json_schema()
    found = set(schema["properties"])
    for definition in schema["$defs"].values():
        for choice in definition.get("anyOf", [definition]):
            found |= set(choice.get("properties", {}))
    return found


WORDS = st.sampled_from(
    ["address", "1337:1/100", "1337:1/200", "21:1/5", "links", "tag", "A", "b c", "zip", "5s", "1KiB", "*", "mqtt://h"]
) | st.sampled_from(["{archive}", "fsxnet", "", "../x", "\0", "ü"])
VALUES = st.recursive(
    WORDS | st.booleans() | st.none() | st.integers(-1, 40000) | st.floats(allow_nan=True),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS, inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted(_keys())), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(Config.model_fields)), VALUES))
def test_any_document_gives_a_configuration_or_mistakes(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    """A document of known keys and odd values is accepted or refused with placed mistakes, never anything else."""
    path = tmp_path_factory.getbasetemp() / "any-document.yaml"
    base = yaml.safe_load(NETWORK)
    path.write_text(yaml.safe_dump({**base, **document}, allow_unicode=True), encoding="utf-8")
    try:
        load_config(path, {})
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()

    assert all(problem.path == str(path) and problem.what for problem in problems)


@given(st.text(max_size=80))
def test_any_text_gives_a_configuration_or_mistakes(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No text is a configuration by chance, and none raises anything but the one error."""
    path = tmp_path_factory.getbasetemp() / "any-text.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert len(caught.value.problems) > 0
