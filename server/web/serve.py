"""Starts the HTTP door: where it stands, who may come in, and what is printed for whoever started it."""

from __future__ import annotations

import errno
import http.client
import json
import logging
import signal
import socket
import webbrowser
from dataclasses import asdict

import uvicorn

from core.config import load_config
from core.errors import ConfigError, InvalidInputError, StoreError
from core.files.atomic import private_folder, put_in_place
from core.paths import credentials_path, data_dir
from core.people.tokens import Tokens
from server.jobs.worker import start_worker
from server.web.access.address import Address, check_base_path, check_names, check_public_url, is_loopback
from server.web.access.doors import Doors
from server.web.assembly import Place, Room, assemble, say, uvicorn_settings
from server.web.house import House
from server.web.oauth.room import check_address
from server.web.running.starting import check_ground

log = logging.getLogger(__name__)

PORT = 4747
_TRIED = 20
_STANDS = "web.json"
"""Where the last server of this data folder stands."""


def serve(place: Place, *, browser: bool, room: Room | None = None) -> int:
    """Serve until told to end, with *room* beside what is always there; the exit code.

    Raises:
        ConfigError: Others could reach it, and there are no tokens; or it cannot start as things are.
        InvalidInputError: It cannot stand there.
    """
    check_ground()
    try:
        return _serve(place, browser=browser, room=room)
    except StoreError as error:
        raise ConfigError(str(error)) from error


def _serve(place: Place, *, browser: bool, room: Room | None) -> int:
    tokens, doors = Tokens(), Doors(data_dir())
    known_otherwise = place.oauth or load_config(credentials_path()).auth is not None
    if not is_loopback(place.host) and not known_otherwise and not tokens.all():
        raise ConfigError(
            f"Others can reach {place.host}, so whoever asks needs a token, and there is none. "
            "Make one first: moot tokens add NAME"
        )
    bound = listen(place)
    try:
        house = House(address_of(place, bound), tokens, doors)
        warning = check_address(house.address) if place.oauth else ""
        _tell(house, browser=browser)
        for line in filter(None, [warning, load_config(credentials_path()).bad_auth]):
            say(line)
        return _run(house, place, bound, room)
    finally:
        bound.close()
        tokens.close()


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
    there = _is_moot(place.host or "127.0.0.1", place.port or 0, "")
    return " by another Moot" if there else " by another program"


def _is_moot(host: str, port: int, base_path: str) -> bool:
    """Whether a Moot answers there. Blocks for a moment."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", f"{base_path}/health", headers={"Host": f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return answer.status == 200 and b'"ok"' in answer.read(100)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def standing() -> Address:
    """Where the server of this data folder stands. Blocks for a moment.

    Raises:
        InvalidInputError: None runs.
    """
    try:
        told = json.loads((data_dir() / "run" / _STANDS).read_bytes())
        address = Address(**told | {"names": tuple(told["names"])})
    except (OSError, ValueError, TypeError, KeyError):
        address = None
    if address is not None:
        host = "127.0.0.1" if address.host in ("0.0.0.0", "::") else address.host  # noqa: S104 - compared, not bound
        if _is_moot(host, address.port, address.base_path):
            return address
    raise InvalidInputError("No server of this data folder runs. Start one: moot web, or: moot serve --http")


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
    put_in_place(private_folder(data_dir() / "run") / _STANDS, json.dumps(asdict(house.address)))
    say(f"Moot is at {house.address.url}")
    say(f"Come in by this link, which works once, for ten minutes: {link}")
    say("Programs send a token: moot tokens add NAME. Ctrl-C ends it; jobs go on by themselves.")
    if browser and not webbrowser.open(link):
        say("No browser could be started here. Open the link yourself.")


def _run(house: House, place: Place, bound: socket.socket, room: Room | None) -> int:
    if place.workers > 1:
        from server.web.workers import serve_with_workers

        return serve_with_workers(place, house.address, bound, place.workers)
    app = assemble(house, place, detach=start_worker, room=room)
    server = uvicorn.Server(uvicorn.Config(app, **uvicorn_settings()))

    def end(number: int, frame: object) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)  # uvicorn sends it on once it has ended well: that is no death by a signal
    try:
        server.run(sockets=[bound])
    except SystemExit as error:
        if app.problem is None:
            raise
        raise ConfigError(app.problem) from error
    return 0 if server.started else 1
