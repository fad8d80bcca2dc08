"""Nodelists of an invented network, with headers and checksums as list makers write them."""

from __future__ import annotations

from binascii import crc_hqx
from datetime import date

DAY = date(2026, 11, 20)

LINES = (
    ";S A comment",
    "Zone,1337,tqwNet,Springfield,Zoe_Zone,-Unpublished-,300,CM,INA:zone.example.org,IBN",
    ",5,Right_Below,Zone_Town,Alma_Alone,-Unpublished-,300",
    "Region,20,Region_20,Northland,Rita_Region,-Unpublished-,300,CM",
    ",7,Independent,Northville,Ina_Independent,-Unpublished-,300",
    "Host,1,tqwNet_1,Springfield,Una_Uplink,-Unpublished-,300,CM",
    ",50,Right_Below_Host,Springfield,Hal_Host,-Unpublished-,300",
    "Hub,100,tqwNet_hub,Springfield,Una_Uplink,-Unpublished-,300,CM,INA:hub.example.org,IBN,U,PING,TRACE",
    ",201,Night_Owl,Springfield,Some_Name,-Unpublished-,300,CM,IBN:owl.example.org",
    "Pvt,202,Shy_System,Springfield,Shy_Sysop,-Unpublished-,300",
    "Down,203,Sleepy,Springfield,Sleepy_Sysop,-Unpublished-,300",
    "Hub,300,Other_hub,Shelbyville,Otto_Other,-Unpublished-,300",
    "Hold,301,On_Holiday,Shelbyville,Holly_Hold,-Unpublished-,300",
    "Point,1,Holly's_Laptop,Shelbyville,Holly_Hold,-Unpublished-,300",
    "Host,2,tqwNet_2,Capital_City,Carl_City,-Unpublished-,300",
    ",201,Same_Number,Capital_City,Sam_Same,-Unpublished-,300",
)
"""A network with all that a list can have."""

POINT_LINES = (
    "Boss,1337:1/201",
    ",1,Night_Owl's_Laptop,Springfield,Some_Name,-Unpublished-,300",
    "Pvt,2,Night_Owl's_Phone,Springfield,Some_Name,-Unpublished-,300",
    "Boss,1337:9/9",
    "Point,3,Boss_Unknown,Nowhere,No_Name,-Unpublished-,300",
)


def body_of(lines: tuple[str, ...] | list[str], end: bytes = b"\r\n") -> list[bytes]:
    """Write lines as a file has them."""
    return [line.encode("latin-1") + end for line in lines]


def header_of(day: date, crc: int) -> bytes:
    """Write a first line."""
    text = f";A tqwNet Nodelist for {day:%A}, {day:%B} {day.day}, {day.year} -- Day number {day:%j} : {crc:05d}"
    return text.encode("ascii") + b"\r\n"


def nodelist(lines: tuple[str, ...] | list[str] = LINES, day: date = DAY, *, good: bool = True) -> bytes:
    """Write a whole nodelist; one that is not good has the checksum of another."""
    body = b"".join(body_of(lines))
    crc = crc_hqx(body, 0)
    return header_of(day, crc if good else crc ^ 1) + body + b"\x1a"
