"""The section `telegram` of credentials.json: the bot, and what people it was not told of may."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from core.redact import register_secret
from core.sections import Strict

TOKEN_SHAPE = r"^\d{1,20}:[A-Za-z0-9_-]{20,200}$"  # noqa: S105 -- how one looks, not one
"""How a token of @BotFather looks."""
TOKEN_VARIABLE = "TELEGRAM_BOT_TOKEN"  # noqa: S105 -- a name


class GuestConfig(Strict):
    """`guests`: members of an allowed group whom nobody invited. Without this section they get no answer."""

    ais: Annotated[list[str], Field(max_length=100)] = []
    """The AIs they may ask; none named: all."""
    per_day_usd: Annotated[float, Field(ge=0, le=1_000_000)] = 0.25
    """What each of them may spend in a day."""


class TelegramConfig(Strict):
    """`telegram`: all of it may be left out; the token may also be in the environment or the keyring."""

    token: SecretStr | None = None
    keyring: bool = False
    """Whether the token is in the system's keyring."""
    follow_up: Literal["queue", "supersede"] = "queue"
    """What a message does that comes while the one before it is being answered: it waits, or takes its place."""
    drafts: bool = True
    """Whether answers are shown as drafts while they are written, in private chats where Telegram takes them."""
    transcribe: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$")] | None = None
    """The AI that hears recordings, such as `openai/gpt-4o-mini-transcribe`; None: the extra `voice` alone does."""
    guests: GuestConfig | None = None
    bots: bool = False
    """Whether other bots get answers; three in a row at most."""
    guest_mode: bool = False
    """Whether people may call the bot into chats it is not in."""
    messages_per_second: Annotated[float, Field(gt=0, le=1_000)] = 30.0
    """What Telegram takes of the bot in all; more for bots that pay for it."""
    api_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$", max_length=500)] = (
        "https://api.telegram.org"
    )
    """Where the Bot API is, for a server of one's own."""

    def registered(self) -> TelegramConfig:
        """This section, with its token known as a secret."""
        if self.token is not None:
            register_secret(self.token.get_secret_value())
        return self
