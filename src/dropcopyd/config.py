"""Settings: one schema for the settings file (TOML), the environment and the command line.

The environment wins over the file: `DROPCOPYD_REST_PORT=8081`, nested names with two underscores:
`DROPCOPYD_LIMITS__STALL_S=10`. Everything is checked at the start; nothing is read later.
"""

import ipaddress
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from dropcopyd.domain.limits import MAY_BE_ZERO, Limits, TransportLimits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.system import parse_clock

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?", re.ASCII)
"""As browsers send it: lower case, no path. `*` is none: whoever may call is named."""
_PREFIX: Final = "DROPCOPYD_"
_NOT_OURS: Final = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)\w*)?", re.ASCII)
"""Behind the prefix, what Kubernetes puts there itself for a service that is named dropcopyd."""
_Limits = TypeVar("_Limits", Limits, TransportLimits)


class Settings(BaseSettings):
    """What a node is started with."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid")

    data: Path = Field(default=Path("data"), description="the folder of the journal, the keys and the paper book")
    rest_host: str = Field(default="127.0.0.1", description="address of the REST port")
    rest_port: int = Field(default=8080, ge=0, le=65535, description="REST port; 0 = any free one")
    grpc_host: str = Field(default="127.0.0.1", description="address of the plaintext gRPC port; loopback only")
    grpc_port: int | None = Field(default=50051, ge=0, le=65535, description="plaintext gRPC port; unset = none")
    grpc_tls_host: str = Field(default="127.0.0.1", description="address of the TLS gRPC port")
    grpc_tls_port: int | None = Field(default=None, ge=0, le=65535, description="TLS gRPC port; unset = none")
    tls_certificate: Path | None = Field(default=None, description="PEM file: certificate chain of the TLS port")
    tls_key: Path | None = Field(default=None, description="PEM file: private key of the TLS port")
    cors_origins: list[str] = Field(default=[], description="origins whose pages may call, as https://app.example.com")
    prices: list[str] = Field(default=["synthetic"], description="price sources of the paper broker")
    chaos: list[str] = Field(default=[], description="tests only: how brokers misbehave, NAME=RATE each, or mild")
    sessions: Literal["always", "real"] = Field(default="always", description="hours that the paper broker keeps")
    clock: str = Field(default="", description="paper only: START[@SPEED], the time to begin at; see docs/paper.md")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is logged")
    log_json: bool = Field(default=False, description="one JSON object per log event")
    limits: dict[str, float] = Field(default_factory=dict, description="limits by name (see domain/limits.py)")
    transport: dict[str, float] = Field(default_factory=dict, description="limits of a gRPC connection by name")
    writer_process: bool = Field(default=True, description="write the journal in a process of its own, not in a thread")
    plain_writer: bool = Field(default=False, description="send by grpclib's own path, to compare or to diagnose")
    kill_at: str = Field(default="", description="fault campaigns only: POINT[:N] at which the process kills itself")

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.grpc_port is not None and not _is_loopback(self.grpc_host):
            raise ValueError(f"grpc_host {self.grpc_host} is not a loopback address: use the TLS port there")
        if self.grpc_tls_port is not None and (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"cors_origins: {origin!r} is no origin such as https://app.example.com:8443")
        if self.clock:
            parse_clock(self.clock)
        _filled(Limits(), self.limits)
        _filled(TransportLimits(), self.transport)
        return self

    @property
    def effective_limits(self) -> Limits:
        """The defaults with what was set."""
        return _filled(Limits(), self.limits)

    @property
    def effective_transport(self) -> TransportLimits:
        """The defaults with what was set."""
        return _filled(TransportLimits(), self.transport)


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Settings from a TOML file (if given), the environment, and overrides (None = not given), the later wins.

    Raises DropcopyError(INVALID_CONFIGURATION) that names each faulty setting.
    """
    if path is not None and not path.is_file():
        raise DropcopyError(Code.INVALID_CONFIGURATION, f"there is no settings file {path}")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    given = {name: value for name, value in overrides.items() if value is not None}
    _refuse_unknown(os.environ)
    try:
        return FromFile(**given)
    except ValidationError as error:
        faults = "; ".join(
            _told(".".join(str(part) for part in fault["loc"]), fault["type"], fault["msg"]) for fault in error.errors()
        )
        raise DropcopyError(Code.INVALID_CONFIGURATION, faults) from error
    except ValueError as error:  # an unreadable TOML file
        raise DropcopyError(Code.INVALID_CONFIGURATION, f"the settings file {path}: {error}") from error


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """A misspelt variable must not turn into none, no more than a misspelt name in the file."""
    for variable in environment:
        words = variable.upper().removeprefix(_PREFIX)
        name = words.partition("__")[0].lower()
        is_ours = variable.upper().startswith(_PREFIX) and not _NOT_OURS.fullmatch(words)
        if is_ours and name not in Settings.model_fields:
            raise DropcopyError(Code.INVALID_CONFIGURATION, f"{variable}: {_unknown('setting', name)}")


def _told(name: str, kind: str, message: str) -> str:
    """A fault that the library found, in the user's words."""
    if kind == "extra_forbidden":
        return _unknown("setting", name)
    text = message.removeprefix("Value error, ")
    return f"{name}: {text}" if name else text


def _unknown(what: str, name: str, known: Iterable[str] = tuple(Settings.model_fields)) -> str:
    near = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists them"
    return f"there is no {what} {name!r}; {hint}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _filled(limits: _Limits, given: dict[str, float]) -> _Limits:
    known = {field.name: field.type for field in fields(limits)}
    changes: dict[str, float | int] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(_unknown("limit", name, known))
        is_whole = known[name] in (int, "int")
        if not math.isfinite(value) or (is_whole and value != int(value)):
            raise ValueError(f"the limit {name} takes a {'whole ' if is_whole else ''}number, not {value}")
        if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            raise ValueError(f"the limit {name} must {'not be negative' if name in MAY_BE_ZERO else 'be above zero'}")
        changes[name] = int(value) if is_whole else float(value)
    return replace(limits, **changes)  # type: ignore[arg-type]  # converted to the field's own type
