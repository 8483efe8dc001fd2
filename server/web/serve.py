"""Starts the HTTP door: where it stands, who may come in, and what is printed for whoever started it."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from ai.runs.app import open_app
from core.config import FILE, load_config
from core.errors import ConfigError, InvalidInputError
from core.paths import credentials_path, data_dir
from core.people.tokens import Tokens
from server.jobs.worker import start_worker
from server.web.access.address import Address, check_base_path, check_names, check_public_url, is_loopback
from server.web.access.doors import Doors
from server.web.application import OpenApp, create_application
from server.web.house import House
from server.web.mcp_endpoint import McpEndpoint, Style
from server.web.oauth.room import OAuthRoom, check_address

log = logging.getLogger(__name__)

PORT = 4747
_TRIED = 20
_STREAMS_S = 5
"""How long streams may take to be told that the server ends."""


@dataclass(frozen=True)
class Place:
    """Where to serve, as it was asked for.

    Args:
        port: 0: any that is free.
        allowed: Further hosts by which the server may be called.
        stateless, json: How MCP is answered, see `server/web/mcp_endpoint.py`.
        oauth: Whether apps may be connected, see `server/web/oauth/`.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    public_url: str = ""
    base_path: str = ""
    allowed: Sequence[str] = ()
    stateless: bool = False
    json: bool = False
    oauth: bool = False


def say(line: str) -> None:
    """Tell whoever started the server."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def serve(place: Place, *, browser: bool) -> int:
    """Serve until told to end; the exit code.

    Raises:
        ConfigError: Others could reach it, and there are no tokens.
        InvalidInputError: It cannot stand there.
    """
    tokens, doors = Tokens(), Doors(data_dir())
    if not is_loopback(place.host) and not tokens.all():
        raise ConfigError(
            f"Others can reach {place.host}, so whoever asks needs a token, and there is none. "
            "Make one first: moot tokens add NAME"
        )
    bound = listen(place)
    try:
        house = House(address_of(place, bound), tokens, doors)
        warning = check_address(house.address) if place.oauth else ""
        _tell(house, browser=browser)
        for line in [*filter(None, [warning]), *_auth_problems()]:
            say(line)
        return _run(application(house, place, detach=start_worker), bound)
    finally:
        bound.close()
        tokens.close()


def application(
    house: House, place: Place, open_moot: OpenApp = open_app, *, detach: Callable[[], None] | None = None
) -> ASGIApp:
    """The whole application of *house*, with every room there is."""
    endpoint = McpEndpoint(house, Style(place.stateless, place.json))
    oauth = OAuthRoom(house, apps=place.oauth, auth=load_config(credentials_path()).auth, tell=say)
    return create_application(
        house,
        open_moot,
        detach=detach,
        rooms=[endpoint.routes, oauth.routes],
        beside=[endpoint.open, oauth.open],
        public=oauth.public,
        at_root=oauth.at_root,
        looks=oauth.looks,
        challenge=oauth.challenge,
    )


def address_of(place: Place, bound: socket.socket) -> Address:
    """Where *bound* can be reached, as *place* says it."""
    return Address(
        host=place.host,
        port=bound.getsockname()[1],
        names=check_names(place.allowed),
        public_url=check_public_url(place.public_url) if place.public_url else "",
        base_path=check_base_path(place.base_path),
    )


def listen(place: Place) -> socket.socket:
    """A socket that listens at *place*; without a port at the first that is free from 4747 on.

    Raises:
        InvalidInputError: That port is in use, or may not be used; the message names the next that is free.
    """
    if place.port is not None:
        try:
            return _bound(place.host, place.port)
        except OSError as error:
            raise InvalidInputError(_refused(place, error)) from error
    for port in range(PORT, PORT + _TRIED):
        try:
            return _bound(place.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InvalidInputError(_refused(Place(place.host, port), error)) from error
    return _bound(place.host, 0)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(2048)
    except BaseException:
        made.close()
        raise
    made.set_inheritable(True)
    return made


def _refused(place: Place, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {place.port} is in use{_by_whom(place)}. Take another one: --port {_free_behind(place)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {place.port} may not be used by this user. Take one above 1023: --port {PORT}"
    return f"{place.host!r} port {place.port} cannot be used: {error.strerror}. Take another --host or --port."


def _by_whom(place: Place) -> str:
    """Who answers at *place*, where that is another Moot."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1" if not place.host else place.host, place.port, timeout=1)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return " by another Moot" if answer.status == 200 and b'"ok"' in answer.read(100) else " by another program"
    except (OSError, http.client.HTTPException):
        return " by another program"
    finally:
        connection.close()


def _free_behind(place: Place) -> int:
    for port in range((place.port or PORT) + 1, 65_536):
        try:
            _bound(place.host, port).close()
        except OSError:
            continue
        return port
    return 0


def _tell(house: House, *, browser: bool) -> None:
    """Print where it is, and the link by which the person who started it comes in."""
    link = f"{house.address.url}/open/{house.doors.link()}"
    say(f"Moot is at {house.address.url}")
    say(f"Come in by this link, which works once, for ten minutes: {link}")
    say("Programs send a token: moot tokens add NAME. Ctrl-C ends it; jobs go on by themselves.")
    if browser and not webbrowser.open(link):
        say("No browser could be started here. Open the link yourself.")


def _auth_problems() -> list[str]:
    """What is wrong with whose JWTs are taken; those are not taken then."""
    return [problem for problem in load_config(credentials_path()).problems if problem.startswith(f"{FILE}: auth")]


def _run(app: ASGIApp, bound: socket.socket) -> int:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STREAMS_S,
        lifespan="on",
        ws="none",
        forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
    )
    server = uvicorn.Server(config)
    server.run(sockets=[bound])
    return 0 if server.started else 1
