"""Who the client is: an API key, or a bearer token minted from one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from dropcopy._errors import ConfigurationError

EXPIRED: Final = "token_expired"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key or a token; or a function that gives the token of the moment, asked at every call and connect."""

    word: str | Callable[[], str] = field(repr=False)
    is_token: bool = False

    @classmethod
    def of(cls, api_key: str | None, token: str | Callable[[], str] | None) -> Self:
        """The one that was given. Raises ConfigurationError for none, both, or one that cannot be sent."""
        if (api_key is None) == (token is None):
            raise ConfigurationError("give either an API key or a token")
        credential = cls(api_key, False) if token is None and api_key is not None else cls(token or "", True)
        if not credential.is_renewable:
            credential.header()
        return credential

    @property
    def is_renewable(self) -> bool:
        """Whether another word may come after this one has expired."""
        return not isinstance(self.word, str)

    def header(self) -> tuple[str, str]:
        """Name and value as they are sent. Raises ConfigurationError."""
        word = self.word if isinstance(self.word, str) else self.word()
        if not word or not word.isascii() or not word.isprintable() or " " in word:
            name = "token" if self.is_token else "API key"
            raise ConfigurationError(f"the {name} is empty or holds characters that no {name} has")
        return ("authorization", f"Bearer {word}") if self.is_token else ("x-api-key", word)
