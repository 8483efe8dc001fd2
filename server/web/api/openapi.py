"""The description of everything below /api in OpenAPI 3.1, written from the types that check the requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, TypeAdapter

from server.web.api.endpoint import Endpoint, Problem

_REFS = "#/components/schemas/{model}"
_ALWAYS = {
    400: "The request has not the form that stands here; the sentence says where.",
    401: "Nobody knows who asks: send a token, or open the link that the server printed.",
    422: "The form is right, but it cannot be done so; the sentence says why.",
    503: "The store cannot be used now.",
}
_WITH_BODY = {413: "The body is too large.", 415: "The body is no JSON."}


def describe(endpoints: Iterable[Endpoint], base_path: str = "") -> dict[str, Any]:
    """The OpenAPI document of *endpoints*."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Moot",
            "version": version("moot-mcp"),
            "description": "Ask AIs and panels of them; follow, read and steer what runs.",
        },
        "servers": [{"url": base_path or "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "moot_session"},
            },
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.says.partition(". ")[0],
        "description": endpoint.says,
        "tags": [endpoint.path.split("/")[2]],
        "parameters": [*_in_path(endpoint), *_in_query(endpoint, schemas), *_in_headers(endpoint)],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": _schema(endpoint.body, schemas, "validation")}}
        operation["requestBody"] = {"required": True, "content": content}
    elif endpoint.raw:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/json": {"schema": _schema(Problem, schemas, "serialization")}}
    told = {**_ALWAYS, **(_WITH_BODY if endpoint.body is not None else {})}
    responses: dict[str, Any] = {
        str(status): {"description": text, "content": problem} for status, text in {**told, **endpoint.also}.items()
    }
    good: dict[str, Any] = {"description": "As asked."}
    if endpoint.reply is not None:
        good["content"] = {endpoint.media: {"schema": _schema(endpoint.reply, schemas, "serialization")}}
    elif endpoint.status != 204:
        good["content"] = {endpoint.media: {"schema": {"type": "string"}}}
    responses[str(endpoint.status)] = good
    if 202 in endpoint.also:
        responses["202"] = {"description": endpoint.also[202], "content": {"application/json": {"schema": {}}}}
    return dict(sorted(responses.items()))


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
        for name in names
    ]


def _in_query(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    schema = endpoint.query.model_json_schema(ref_template=_REFS)
    schemas.update(schema.pop("$defs", {}))
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in kind.items() if key not in ("title", "description")},
            **({"description": kind["description"]} if "description" in kind else {}),
        }
        for name, kind in schema.get("properties", {}).items()
    ]


def _in_headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string", **schema}}
        for name, schema in endpoint.headers.items()
    ]


def _schema(kind: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    """The schema of *kind*, by reference where it is a model of its own."""
    schema = TypeAdapter(kind).json_schema(ref_template=_REFS, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        schemas[kind.__name__] = schema
        return {"$ref": _REFS.format(model=kind.__name__)}
    return schema
