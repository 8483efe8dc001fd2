"""What may be said along with a message: the arguments of what answers, as the signatures of recipes type them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from core.errors import InvalidInputError
from server.mcp_server.arguments import hint
from server.toolbox import KINDS, Recipe, parameters_of
from server.web.api.agents import PANELS

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

_TAKEN = frozenset({"ai", "history", "prompt", "question", "focus"})
"""What a chat says in words of its own: `agent_id`, `chat_history` and `message`."""


class Described:
    """Has the description of a free mapping say which names it takes, and of what kind; read when it is asked for."""

    @staticmethod
    def __get_pydantic_json_schema__(core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of every option there is: which agent takes which cannot be said by a schema."""
        return handler(_every_option().__pydantic_core_schema__)


def check_options(recipe: Recipe, options: Mapping[str, Any]) -> None:
    """Refuse what *recipe* does not take from a chat.

    Raises:
        InvalidInputError: Its name, and which there are.
    """
    known = options_of(recipe)
    for name in options:
        if name not in known:
            raise InvalidInputError(f"{name[:80]!r} is not an option of {recipe.name}.{hint(name, known)}")


def options_of(recipe: Recipe) -> dict[str, Any]:
    """The types of what *recipe* takes besides the message, by name. Blocks until its module is imported."""
    return {name: kind for name, kind in parameters_of(recipe).items() if name not in _TAKEN}


def _every_option() -> type[BaseModel]:
    named = [KINDS["ask_one"], *(KINDS[recipe] for recipe, _, _ in PANELS.values())]
    types = {name: kind for recipe in named for name, kind in options_of(recipe).items()}
    fields: dict[str, Any] = {  # by aliases: a model has a `schema` of its own
        f"o{number}": (kind | None, Field(None, alias=name)) for number, (name, kind) in enumerate(types.items())
    }
    return create_model("Options", __config__=ConfigDict(extra="forbid"), **fields)
