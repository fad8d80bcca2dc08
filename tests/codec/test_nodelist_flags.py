from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.nodelist import Keyword, NodeEntry
from tosser.codec.nodelist_flags import services_of


def entry(flags: str, name: str = "Some_System", phone: str = "-Unpublished-") -> NodeEntry:
    """Make an entry with these flags."""
    text = f"{name},Place,Sysop,{phone},300,{flags}"
    return NodeEntry(Keyword.NODE, Address(1337, 1, 201), 0, 0, text, 1)


FLAGS = {
    "": [],
    "CM,XA,MO": [],
    "IBN:a.example.org": ["binkp a.example.org:24554"],
    "IBN:a.example.org:24555": ["binkp a.example.org:24555"],
    "ibn:192.0.2.1:1": ["binkp 192.0.2.1:1"],
    "IBN:[2001:db8::1]": ["binkp [2001:db8::1]:24554"],
    "IBN:[2001:db8::1]:24555": ["binkp [2001:db8::1]:24555"],
    "IBN": ["binkp ?:24554"],
    "IBN:24557": ["binkp ?:24557"],
    "IBN:99999": ["binkp ?:24554"],
    "INA:a.example.org,IBN,ITN:2323,IFT:ftp.example.org": [
        "binkp a.example.org:24554", "telnet a.example.org:2323", "ftp ftp.example.org:21",
    ],
    "IBN:24555,INA:a.example.org,INA:192.0.2.1": ["binkp a.example.org:24555", "binkp 192.0.2.1:24555"],
    "IBN:a.example.org,IBN:a.example.org:24554,IFC:b.example.org,IVM": [
        "binkp a.example.org:24554", "ifcico b.example.org:60179", "vmodem ?:3141",
    ],
    "INA:not a host,IBN:not a host": ["binkp ?:24554"],
    "IBN:a.example.org:port": ["binkp a.example.org:24554"],
    "CM,U,IBN:user.example.org": [],
}  # fmt: skip


@pytest.mark.parametrize(("flags", "services"), FLAGS.items())
def test_how_a_system_is_reached(flags: str, services: list[str]) -> None:
    """Host and port of each service are its own, or those shared, or the usual ones; user flags are none of them."""
    assert [str(service) for service in services_of(entry(flags))] == services


def test_a_host_that_stands_elsewhere() -> None:
    """Where no flag has a host it may be the name of the system, or an address in place of the phone number."""
    assert [str(each) for each in services_of(entry("IBN", name="bbs.example.org"))] == ["binkp bbs.example.org:24554"]
    assert [str(each) for each in services_of(entry("IBN", phone="000-192-0-2-1"))] == ["binkp 192.0.2.1:24554"]
    assert [str(each) for each in services_of(entry("INA:a.example.org,IBN", name="b.example.org"))] == [
        "binkp a.example.org:24554"
    ]


@given(st.text(max_size=60))
def test_any_flags_are_read(flags: str) -> None:
    """Whatever stands in place of flags, every service has a protocol and a port that can be one."""
    for service in services_of(entry(f"IBN:{flags},{flags}")):
        assert 1 <= service.port <= 65535
        assert service.protocol
