"""Two-line element sets: columns in, mean elements out, and back.

::

    1 NNNNNC LLNNNPPP YYDDD.DDDDDDDD  .DDDDDDDD  DDDDD-D  BBBBB-B 0 SSSSC     columns 1…69, the last a checksum
    2 NNNNN III.IIII RRR.RRRR EEEEEEE AAA.AAAA MMM.MMMM NN.NNNNNNNNRRRRRC

    N catalogue number (five digits, or alpha-5: a letter without I and O stands for 10…33)   C classification
    L launch   Y D epoch, UTC   B drag term, decimal point assumed   S set number   I inclination   R node
    E eccentricity, decimal point assumed   A argument of perigee   M mean anomaly   N mean motion, rev/d

A line before the pair is its name (with or without the ``0 `` of three-line sets). Text beyond column 69 is
not part of the set. Source: CelesTrak "NORAD Two-Line Element Set Format", space-track.org "Alpha-5".
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from agent.orbit.elements import (
    MAX_SETS,
    NS_PER_DAY,
    ElementError,
    ElementSets,
    MeanElements,
    Refusal,
    check_ranges,
)
from agent.records import UtcNs

LINE_LENGTH = 69
ALPHA5_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
ALPHA5_LAST = 339_999
FIRST_TWO_DIGIT_YEAR = 57
# The checksum counts blanks, points and letters as nothing: that these stand in their columns is checked apart.
BLANKS = ((1, 8, 17, 32, 43, 52, 61, 63), (1, 7, 16, 25, 33, 42, 51))
POINTS = ((23, 34), (11, 20, 37, 46, 54))
SIGNS = ((33, 44, 53), ())


def checksum(line: str) -> int:
    """Sum the digits of columns 1…68, a minus sign counting one, modulo ten."""
    return sum(int(c) if c in "0123456789" else c == "-" for c in line[:68]) % 10


def read_catalogue_number(field: str) -> int:
    """Read five digits or alpha-5 (``A0001`` is 100001)."""
    text = field.strip().replace(" ", "0")
    if text and text[0] in ALPHA5_LETTERS and len(text) == 5 and text[1:].isdecimal():
        return (ALPHA5_LETTERS.index(text[0]) + 10) * 10_000 + int(text[1:])
    if not (text.isascii() and text.isdecimal()):
        raise ElementError("catalogue_number", f"catalogue number {field!r} is neither five digits nor alpha-5")
    return int(text)


def write_catalogue_number(norad: int) -> str:
    """Write five digits, or alpha-5 up to 339999; raises ``ValueError`` beyond, where only OMM will do."""
    if norad < 100_000:
        return f"{norad:05d}"
    if norad > ALPHA5_LAST:
        raise ValueError(f"catalogue number {norad} does not fit a two-line set; write an OMM")
    return f"{ALPHA5_LETTERS[norad // 10_000 - 10]}{norad % 10_000:04d}"


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ElementError("not_a_number", f"{what} {text.strip()!r} is not a number") from None
    if not math.isfinite(value):
        raise ElementError("not_a_number", f"{what} {text.strip()!r} is not a finite number")
    return value


def _integer(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() else 0


def _assumed_point(text: str, what: str) -> float:
    """Read `` 28098-4``: sign, digits after an assumed point, exponent."""
    text = text.strip()
    if not text:
        return 0.0
    sign = -1.0 if text[0] == "-" else 1.0
    digits = text.lstrip("+-")
    mantissa, exponent = (digits[:-2], digits[-2:]) if digits[-2:-1] in ("+", "-") else (digits, "")
    if not exponent and not digits.strip("0"):
        return 0.0
    if not mantissa.isdecimal() or not exponent.lstrip("+-").isdecimal():
        raise ElementError("not_a_number", f"{what} {text!r} is not a number with an assumed decimal point")
    return sign * float(f"0.{mantissa}e{exponent}")


def _epoch(field: str) -> UtcNs:
    year, day = field[:2].strip() or "0", field[2:].strip()
    if not year.isdecimal() or not day.replace(".", "", 1).replace(" ", "").isdecimal():
        raise ElementError("epoch_range", f"epoch {field!r} is not a year and a day")
    full_year = int(year) + (1900 if int(year) >= FIRST_TWO_DIGIT_YEAR else 2000)
    whole, _, fraction = day.replace(" ", "0").partition(".")
    if not 1 <= int(whole or 0) <= 366:
        raise ElementError("epoch_range", f"epoch day {day} is outside 1…366")
    start = datetime(full_year, 1, 1, tzinfo=UTC) + timedelta(days=int(whole) - 1)
    fraction_ns = int(fraction[:12].ljust(12, "0")) * NS_PER_DAY // 10**12 if fraction else 0
    return int(start.timestamp()) * 1_000_000_000 + fraction_ns


def _cospar(field: str) -> str:
    text = field.strip()
    if len(text) < 6 or not text[:5].isdecimal():
        return ""
    year = int(text[:2])
    return f"{year + (1900 if year >= FIRST_TWO_DIGIT_YEAR else 2000)}-{text[2:]}"


def parse_pair(name: str, first: str, second: str, *, source: str) -> MeanElements:
    """Read one pair of lines; raises ``ElementError`` with the reason when it cannot be right."""
    for number, line in (("1", first), ("2", second)):
        if len(line) < LINE_LENGTH:
            raise ElementError("line_length", f"line {number} has {len(line)} columns, 69 are needed")
        if not line.isascii():
            raise ElementError("not_ascii", f"line {number} has characters that are not ASCII")
        if line[68] != str(checksum(line)):
            raise ElementError("checksum", f"line {number} ends in {line[68]!r}, its checksum is {checksum(line)}")
    for line, blanks, points, signs in zip((first, second), BLANKS, POINTS, SIGNS, strict=True):
        wrong = [column for column in blanks if line[column] != " "]
        wrong += [column for column in points if line[column] != "."]
        wrong += [column for column in signs if line[column] not in " +-"]
        if wrong:
            column = wrong[0]
            raise ElementError("columns", f"line {line[0]} has {line[column]!r} in column {column + 1}")
    norad = read_catalogue_number(first[2:7])
    if read_catalogue_number(second[2:7]) != norad:
        raise ElementError("satellite_mismatch", f"line 1 is of {norad}, line 2 of {second[2:7].strip()}")
    if first[7] not in "UCS ":
        raise ElementError("classification", f"classification {first[7]!r} is not U, C or S")
    if first[62:63] not in "0 24" or first[62:63] == "4":
        # Type 4 is SGP4-XP, whose elements mean something else.
        raise ElementError("theory", f"ephemeris type {first[62]!r} is not SGP4's")
    eccentricity = second[26:33].replace(" ", "0")
    if not eccentricity.isdecimal():
        raise ElementError("not_a_number", f"eccentricity {second[26:33]!r} is not seven digits")
    return check_ranges(
        MeanElements(
            name=name or f"{norad}",
            norad=norad,
            cospar=_cospar(first[9:17]),
            epoch_utc_ns=_epoch(first[18:32]),
            mean_motion_rev_d=_number(second[52:63], "mean motion"),
            eccentricity=float(f"0.{eccentricity}"),
            inclination_deg=_number(second[8:16], "inclination"),
            raan_deg=_number(second[17:25], "right ascension"),
            argument_of_perigee_deg=_number(second[34:42], "argument of perigee"),
            mean_anomaly_deg=_number(second[43:51], "mean anomaly"),
            bstar=_assumed_point(first[53:61], "B*"),
            mean_motion_dot=_number(first[33:43], "first derivative"),
            mean_motion_ddot=_assumed_point(first[44:52], "second derivative"),
            element_set_number=_integer(first[64:68]),
            revolution=_integer(second[63:68]),
            classification=first[7].strip() or "U",
            source=source,
        )
    )


def read_tle(text: str, *, source: str) -> ElementSets:
    """Read every pair of lines; a line that belongs to no pair is the next one's name, or a refusal."""
    sets: list[MeanElements] = []
    refused: list[Refusal] = []
    name, first, first_at = "", "", 0
    for at, raw in enumerate(text.splitlines(), start=1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if first:
            if line.startswith("2 "):
                try:
                    sets.append(parse_pair(name, first, line, source=source))
                except ElementError as error:
                    label = f"{name} ".lstrip() + first[2:7].strip()
                    refused.append(Refusal(error.reason, f"{label}: {error}", source, first_at))
                name, first = "", ""
                if len(sets) + len(refused) >= MAX_SETS:
                    break
                continue
            refused.append(
                Refusal("missing_line", f"{first[2:7].strip()}: line 2 does not follow", source, first_at)
            )
            name, first = "", ""
        if line.startswith("1 ") and len(line) > 32:
            first, first_at = line, at
        elif line.startswith("2 ") and len(line) > 60:
            refused.append(Refusal("missing_line", f"{line[2:7].strip()}: line 2 without a line 1", source, at))
            name = ""
        else:
            name = line.removeprefix("0 ").strip()[:64]
    if first:
        refused.append(
            Refusal("missing_line", f"{first[2:7].strip()}: the text ends after line 1", source, first_at)
        )
    return ElementSets(tuple(sets), tuple(refused))


def _write_assumed_point(value: float) -> str:
    if value == 0.0:
        return " 00000+0"
    exponent = math.floor(math.log10(abs(value))) + 1
    digits = round(abs(value) / 10.0**exponent * 1e5)
    if digits == 100_000:
        digits, exponent = 10_000, exponent + 1
    if exponent < -9:
        return " 00000+0"
    return f"{'-' if value < 0 else ' '}{digits:05d}{'-' if exponent < 0 else '+'}{abs(exponent)}"


def write_tle(elements: MeanElements) -> str:
    """Write a pair of lines, rounded as the format needs (an OMM keeps all digits)."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=elements.epoch_utc_ns // 1_000_000_000)
    day_start = datetime(epoch.year, 1, 1, tzinfo=UTC)
    day = 1 + (elements.epoch_utc_ns - int(day_start.timestamp()) * 1_000_000_000) / NS_PER_DAY
    number = write_catalogue_number(elements.norad)
    launch = elements.cospar[2:4] + elements.cospar[5:] if len(elements.cospar) > 7 else ""
    dot = f"{elements.mean_motion_dot:+.8f}".replace("+", " ", 1).replace("0.", ".", 1)
    first = (
        f"1 {number}{elements.classification} {launch:<8} {epoch.year % 100:02d}{day:012.8f} {dot:>10} "
        f"{_write_assumed_point(elements.mean_motion_ddot)} {_write_assumed_point(elements.bstar)} 0 "
        f"{elements.element_set_number % 10_000:4d}"
    )
    second = (
        f"2 {number} {elements.inclination_deg:8.4f} {elements.raan_deg:8.4f} "
        f"{round(elements.eccentricity * 1e7):07d} {elements.argument_of_perigee_deg:8.4f} "
        f"{elements.mean_anomaly_deg:8.4f} {elements.mean_motion_rev_d:11.8f}{elements.revolution % 100_000:5d}"
    )
    return f"{elements.name}\n{first}{checksum(first)}\n{second}{checksum(second)}\n"
