"""Secrets come from files nobody else may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.security.keys import check_private, read_secret


def written(path: Path, content: bytes, mode: int) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [b"hush", b"hush\n", b"hush\r\n", b"hush\nsecond line\n"])
def test_the_first_line_is_the_secret(tmp_path: Path, content: bytes) -> None:
    assert read_secret(written(tmp_path / "p", content, 0o400)) == "hush"


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644, 0o420, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "p", b"hush", mode)
    with pytest.raises(ConfigError, match=f"chmod 400 {path}") as refused:
        read_secret(path)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00"])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError):
        read_secret(written(tmp_path / "p", content, 0o400))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        check_private(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        check_private(tmp_path / "nothing")


def test_a_credential_of_systemd_is_private_though_its_access_list_shows_as_group_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "mqtt-password", b"hush\n", 0o440)
    with pytest.raises(ConfigError, match="may be read by others"):
        read_secret(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path) == "hush"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path.parent))
    with pytest.raises(ConfigError, match="may be read by others"):
        read_secret(path)
