"""A password comes from the environment or from a credential of systemd, and from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.secret import secret


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("A_PASSWORD", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


def test_a_credential_is_read_without_its_line_end(credentials: Path) -> None:
    assert secret("A_PASSWORD", "a-password") is None
    (credentials / "a-password").write_text(" with blanks \r\n")
    assert secret("A_PASSWORD", "a-password") == " with blanks "
    (credentials / "a-password").write_text("\n")
    assert secret("A_PASSWORD", "a-password") is None


def test_the_environment_comes_first(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (credentials / "a-password").write_text("from the file")
    monkeypatch.setenv("A_PASSWORD", "from the environment")
    assert secret("A_PASSWORD", "a-password") == "from the environment"
    monkeypatch.setenv("A_PASSWORD", "")
    assert secret("A_PASSWORD", "a-password") == "from the file"


def test_without_either_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert secret("A_PASSWORD_THAT_NOBODY_SET", "a-password") is None


def test_a_credential_that_is_no_text_is_refused_without_showing_it(credentials: Path) -> None:
    (credentials / "a-password").write_bytes(b"se\xffcret")
    with pytest.raises(ConfigError) as caught:
        secret("A_PASSWORD", "a-password")
    assert "cret" not in str(caught.value)
