"""Decoding tables for the character sets that FTS-5003 names and Python has no codec for.

These are the national variants of ISO 646 (level 1 of FTS-5003), CP848 (Ukrainian Cyrillic with the euro sign) and
CP895 (the Czech set of the Kamenický brothers). A table is a string of 256 characters for `codecs.charmap_decode`, in
which U+FFFE stands for "no such character".
"""

from __future__ import annotations

_UNDEFINED = "\ufffe"
_ASCII = bytes(range(128)).decode("ascii") + _UNDEFINED * 128
_NATIONAL_POSITIONS = "#$@[\\]^`{|}~"
"""The twelve positions of ASCII that ISO 646 leaves to the nations."""

_NATIONAL = {
    "CANADIAN": "#$àâçêîôéùèû",
    "DUTCH": "£$¾ÿ½|^`¼ƒ¨`",
    "FRENCH": "£$à°ç§^µéùè¨",
    "GERMAN": "#$§ÄÖÜ^`äöüß",
    "ITALIAN": "£$§°çé^ùàòèì",
    "NORWEIG": "#$@ÆØÅ^`æøå‾",
    "PORTU": "#$§ÃÇÕ^`ãçõ°",
    "SPANISH": "£$§¡Ñ¿^`°ñç~",
    "SWEDISH": "#¤@ÄÖÅ^`äöå‾",
    "SWISS": "ù$àéçêîôäöüû",
    "UK": "£$@[\\]^`{|}‾",
}


def _variant(characters: str) -> str:
    return _ASCII.translate(dict(zip(map(ord, _NATIONAL_POSITIONS), characters, strict=True)))


def _patched(codec: str, first: int, characters: str) -> str:
    table = bytes(range(256)).decode(codec)
    return table[:first] + characters + table[first + len(characters) :]


TABLES: dict[str, str] = {
    **{name: _variant(characters) for name, characters in _NATIONAL.items()},
    "SWISS": _variant(_NATIONAL["SWISS"]).replace("_", "è"),  # alone in using a thirteenth position
    "CP848": _patched("cp1125", 0xFD, "€"),
    "CP895": _patched("cp437", 0x80, "ČüéďäĎŤčěĚĹÍľĺÄÁÉžŽôöÓůÚýÖÜŠĽÝŘťáíóúňŇŮÔšřŕŔ¼§«»"),
}
"""Decoding table of each character set, by its name in FTS-5003."""
