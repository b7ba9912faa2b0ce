"""``[[source]]`` tables: what is refused before anything is opened, and with which words."""

from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.sources import OctetTable, load, make_source, read_table, source_kinds

WHERE = "station.toml: source[1]"


def test_every_file_of_the_folder_is_a_kind_with_all_that_a_source_needs() -> None:
    assert {"serial_port", "kiss_tcp", "rtl_tcp", "recording"} <= set(source_kinds())
    for kind in source_kinds():
        module = load(kind)
        assert module.SIGNAL in ("octets", "iq", "audio", "samples", "file")
        assert {"id", "kind", "satellites", "downlinks"} <= set(module.Options.__struct_fields__)
        assert issubclass(module.Options, OctetTable) == (module.SIGNAL == "octets")
        assert hasattr(module.Source, "read")


def test_a_table_becomes_a_source_that_knows_its_options() -> None:
    table = {"id": "tnc", "kind": "serial_port", "port": "/dev/ttyUSB0", "satellites": ["link"]}
    with pytest.raises(ConfigError):  # a list is no tuple only to Python: TOML arrays are taken
        read_table({**table, "satellites": "link"}, WHERE)
    source_id, source = make_source(table, WHERE)
    assert source_id == "tnc"
    assert source.options.satellites == ("link",)


def test_a_relative_path_starts_at_the_station_files_folder(tmp_path: Path) -> None:
    _, source = make_source({"id": "replay", "kind": "recording", "path": "a.wav"}, WHERE, folder=tmp_path)
    assert source.options.path == str(tmp_path / "a.wav")  # type: ignore[attr-defined]  # of this kind


@pytest.mark.parametrize(
    ("table", "place", "mend"),
    [
        ({"id": "a"}, "source[1].kind", "rtl_tcp"),
        ({"id": "a", "kind": "rtl_tpc"}, "source[1].kind", "did you mean rtl_tcp"),
        ({"id": "a", "kind": "../secrets"}, "source[1].kind", "there are"),
        ({"id": "a", "kind": "rtl_tcp", "frequency": 1e6}, "source[1].frequency", "did you mean frequency_hz"),
        ({"id": "a", "kind": "rtl_tcp", "frequency_hz": "437 MHz"}, "source[1].frequency_hz", ""),
        ({"id": "a", "kind": "rtl_tcp"}, "frequency_hz", ""),
        ({"id": "A B", "kind": "kiss_tcp"}, "source[1].id", ""),
        ({"id": "a", "kind": "kiss_tcp", "port": 0}, "source[1].port", ""),
        ({"id": "a", "kind": "kiss_tcp", "framing": "kis"}, "source[1].framing", "did you mean kiss"),
        ({"id": "a", "kind": "kiss_tcp", "framing": "ax25"}, "source[1].framing", "kiss is what a TNC speaks"),
        (
            {"id": "a", "kind": "kiss_tcp", "framing_options": {"max_octet": 5}},
            "source[1].framing_options",
            "",
        ),
        ({"id": "a", "kind": "serial_port", "port": "/dev/x", "parity": "odd?"}, "source[1].parity", ""),
        ({"id": "a", "kind": "recording", "path": "x.wav", "pace": "quick"}, "source[1].pace", ""),
    ],
)
def test_a_wrong_table_is_refused_with_its_place_and_the_mend(
    table: dict[str, object], place: str, mend: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_table(table, WHERE)
    text = str(refused.value)
    assert place in text
    assert mend in text
    assert "\n" not in text
