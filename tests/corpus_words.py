"""The invented words of `tests.corpus`: people, systems, area tags and sentences, by language.

Languages are named after the character set their 8-bit texts are written in. No person, system or message here exists.
"""

# ruff: noqa: RUF001 - letters of other alphabets are the point

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Charset:
    """How one kind of message is written: the CHRS line it carries (or none), the Python codec, and the language."""

    chrs: str | None
    codec: str
    language: str


CHARSETS = (
    *(Charset("CP437 2", "cp437", "western"),) * 9,
    *(Charset("UTF-8 4", "utf-8", "world"),) * 5,
    *(Charset("CP866 2", "cp866", "cyrillic"),) * 4,
    *(Charset(None, "ascii", "plain"),) * 2,
)
"""One entry a share of twenty, drawn with equal chances."""

TAGS = (
    "GEN", "TECH", "TEST", "ADS", "RADIO", "RETRO", "COOKING", "LINUX", "AMIGA", "C64", "MSX", "DOS", "OS2", "NET",
    "MODEM", "ASCII", "ANSI", "DOORS", "GAMES", "CHESS", "BOOKS", "FILM", "MUSIC", "SYNTH", "PHOTO", "GARDEN", "BIKES",
    "TRAINS", "SPACE", "WEATHER", "MATH", "PYTHON", "PASCAL", "FORTH", "ASM", "BASIC", "HARDWARE", "SOLDER", "FPGA",
    "STATS", "SYSOP", "BINKD", "MYSTIC", "SYNC", "POINTS", "HISTORY", "LANGUAGE", "MAPS", "HUMOR", "TRADE",
)  # fmt: skip

DESCRIPTIONS = (
    "General chatter",
    "Technology news",
    "Test messages, replies not promised",
    "Old machines kept running",
    "What grows, what does not",
    "Questions for sysops",
)

NAMES = {
    "plain": ("Ada Quillfeather", "Bram Oosterling", "Cass Hollowell", "Dov Marrin", "Effie Sandgate"),
    "western": (
        "Jörg Tannhügel",
        "Élise Marchebois",
        "Åke Björkvall",
        "Begoña Valdecañas",
        "Ulla Grünfeld",
        "Tom Ashdown",
    ),
    "cyrillic": ("Павел Речной", "Вера Снегирёва", "Егор Полянкин", "Нина Озерова"),
    "world": ("Zoë Lindqvist", "Łukasz Brzozowy", "Mário Azenha", "Σοφία Λιμανιώτη", "森川 悠"),
}

ORIGINS = (
    "The Copper Lantern BBS",
    "Northern Relay, up since the last thaw",
    "Tin Roof Online * tinroof.invalid:2323",
    "Quiet Hours",
    "Seven Bridges Node, where nobody is in a hurry and the modem lights never quite go dark",
)

SUBJECTS = {
    "plain": (
        "Weekly statistics",
        "Which terminal do you use",
        "A very long subject that goes on and on because its author could not decide where it should stop",
        "Door games",
    ),
    "western": (
        "Größe der Nachrichtenbasis",
        "Café à la carte: menus en ANSI",
        "Smörgåsbord av gamla maskiner",
        "¿Quién tiene el manual?",
        "Two nodes, one cable",
        "Ein ziemlich länglicher Betreff über Übertragungsgeschwindigkeiten früher Modems",
    ),
    "cyrillic": (
        "Вопрос о настройке узла",
        "Старые модемы",
        "Погода на выходных",
        "Довольно длинная тема письма, которая никак не хочет помещаться в отведённое ей поле заголовка",
    ),
    "world": (
        "Café, naïve, Ελλάδα and 漢字 in one subject line, cut where it may not break a character",
        "Żółte kable w szafie",
        "Ουρανός χωρίς σύννεφα",
        "Tabela de preços",
    ),
}

SENTENCES = {
    "plain": (
        "The board was down for an hour while I swapped the disk, sorry about that.",
        "I keep the nightly log on paper, it is easier to read with coffee.",
        "> Does anybody still run this on real hardware?",
        "Yes, in the attic, next to the water tank.",
        "Columns line up if your terminal is 80 wide:   1   2   3   4",
        "Thanks for the packet, it arrived in one piece.",
    ),
    "western": (
        "Die Höhe der Säule täuscht, gemessen habe ich 42 cm über dem Fußboden.",
        "J'ai gardé le vieux câble, il a déjà survécu à trois déménagements.",
        "> Har någon provat med längre antenn på södra sidan?",
        "El señor de la tienda aún guarda la caja original, ¡qué suerte!",
        "╔═══════════════════════════════╗",
        "║  ░▒▓ Night menu ▓▒░   [Q]uit  ║",
        "╚═══════════════════════════════╝",
        "Plain words also occur, most lines are nothing but ASCII after all.",
        "The bill was £4 and ½ of it was for the tea.",
    ),
    "cyrillic": (
        "Наш узел работает круглые сутки, но по ночам связь лучше.",
        "Вчера заменил блок питания, теперь не шумит.",
        "> Кто-нибудь пробовал новую версию редактора?",
        "Пробовал, всё хорошо, только меню непривычное.",
        "Ёлки за окном, снег по колено, почта идёт по расписанию.",
        "Н и н, Р и р: проверка букв, которые любят терять.",
        "Short reply in English, so that everybody can follow.",
    ),
    "world": (
        "Żaden węzeł nie jest za mały na porządną pocztę.",
        "Η πύλη άνοιξε ξανά στις εννέα το πρωί.",
        "漢字も半角カナもそのまま通ります。",
        "> Ainda há quem leia isto às três da manhã?",
        "Naïve readers cut “quotes” in half — this line checks that.",
        "Emoji got here too: 📠 → 📬, four bytes each.",
        "Prices in € and ₴, temperatures in °C.",
    ),
}
