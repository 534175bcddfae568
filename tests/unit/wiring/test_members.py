"""Where members say that they are reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from driftd import config
from driftd.config import Flag
from driftd.config.settings import Settings
from driftd.core.errors import ConfigError
from driftd.wiring.members import Members, address_of


def settings(tmp_path: Path, **given: Any) -> Settings:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"state: {{directory: {tmp_path}}}\n")
    return config.load(file, {}, {name.replace("__", "."): Flag("--x", v) for name, v in given.items()}).settings


@pytest.mark.parametrize(
    ("given", "url", "expected"),
    [
        pytest.param({}, "http://127.0.0.1:9477", "http://127.0.0.1:9477", id="where it listens"),
        pytest.param({"http__listen": "[::1]:9477"}, "https://[::1]:9477", "https://[::1]:9477", id="with TLS"),
        pytest.param({"http__listen": "0.0.0.0:80"}, "http://0.0.0.0:80", f"http://{socket.getfqdn()}:80", id="all"),
        pytest.param({"http__listen": "[::]:80"}, "https://[::]:80", f"https://{socket.getfqdn()}:80", id="all, IPv6"),
        pytest.param(
            {"http__listen": "0.0.0.0:80", "members__address": "https://d-0.d:9/"},
            "http://0.0.0.0:80",
            "https://d-0.d:9",
            id="as set",
        ),
    ],
)
def test_a_member_is_reached_where_it_listens_or_where_the_user_says(
    tmp_path: Path, given: dict[str, Any], url: str, expected: str
) -> None:
    assert address_of(settings(tmp_path, **given), url) == expected


@pytest.mark.parametrize("address", ["d-0:9477", "ftp://d-0", "http://anna:p@d-0", "http://"])
def test_an_address_is_one_of_http_without_a_login(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"members\.address"):
        settings(tmp_path, members__address=address)


def test_members_of_one_host_have_ports_one_after_the_other_in_their_addresses_too(tmp_path: Path) -> None:
    known = settings(tmp_path, members__address="https://h.example:9477/")
    assert "members.address=https://h.example:9479" in Members(known, [], 3).options(2)
    assert "http.listen=127.0.0.1:9479" in Members(known, [], 3).options(2)
    assert not [o for o in Members(settings(tmp_path), [], 3).options(2) if o.startswith("members.address")]
