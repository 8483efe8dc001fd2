"""A company's issuer on loopback: its metadata, its keys, and tokens of every kind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "https://moot.example.org/mcp"


class Issuer:
    """Its keys by their names; `asked` counts what was fetched."""

    def __init__(self) -> None:
        self.url = ""
        self.private: dict[str, Any] = {}
        self.asked: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.broken = False
        self.add_rsa("r1")
        self.add_ec("e1")

    def add_rsa(self, kid: str, bits: int = 2048) -> None:
        self.private[kid] = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def add_ec(self, kid: str) -> None:
        self.private[kid] = ec.generate_private_key(ec.SECP256R1())

    def keys(self) -> list[dict[str, Any]]:
        made = []
        for kid, key in self.private.items():
            algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            made.append({**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return made

    def token(self, kid: str | None = "r1", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good, but for what *claims* say; None takes a claim out."""
        key = self.private[kid or "r1"]
        told = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600, **claims}
        told = {name: value for name, value in told.items() if value is not None}
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(told, key, algorithm, headers={**({"kid": kid} if kid else {}), **(headers or {})})


@contextmanager
def company_issuer() -> Iterator[Issuer]:
    """An issuer that answers."""
    issuer = Issuer()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            told: dict[str, Any] | None = None
            if self.path == "/.well-known/openid-configuration":
                told = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **issuer.metadata}
            elif self.path == "/keys":
                told = {"keys": issuer.keys()}
            self.send_response(500 if issuer.broken else 200 if told else 404)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
