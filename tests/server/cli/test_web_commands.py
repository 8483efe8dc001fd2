"""`moot web --link` and `moot serve`: a link leads to the server that runs, and no option is left out in silence."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from web_house import configured, web_program

from server.cli.main import cli


def test_a_new_link_leads_to_the_server_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, {})
    monkeypatch.setenv("MOOT_HOME", str(tmp_path))
    with web_program(tmp_path, "--base-path", "/moot") as program:
        link = CliRunner().invoke(cli, ["web", "--link"]).stdout.strip()
        assert link.startswith(f"{program.url}/open/")
        assert httpx2.get(link, follow_redirects=False).status_code == 303
        program.kill()
    gone = CliRunner().invoke(cli, ["web", "--link"])
    assert gone.exit_code == 2
    assert "Start one: moot web" in gone.stderr


@pytest.mark.parametrize("option", ["--oauth", "--port=4747", "--base-path=/x", "--allow-host=x", "--json-replies"])
def test_what_only_http_takes_is_refused_without_it(option: str) -> None:
    refused = CliRunner().invoke(cli, ["serve", option])
    assert refused.exit_code == 2
    assert f"{option.partition('=')[0]} is for --http. Add it." in refused.stderr
