"""Every knob of the collector: one line each, its default, its unit in its name. Built once, frozen, handed down.

Read, strongest first, from flags, ``TROPA_*`` variables and ``tropa.toml`` (in the working directory, or named by
``TROPA_CONFIG``). An unknown variable or key is an error: a misspelt limit that silently does nothing is worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError
from pydantic_settings.sources import TomlConfigSettingsSource

from tropa_collector.errors import SettingsError
from tropa_collector.identity.blocked import own_rules
from tropa_collector.identity.policy import DevicePolicy, SharedDevicePolicy, StrategyName, kind_table
from tropa_collector.kafka.address import kafka_address


def _comma_list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Path_ = Annotated[str, Field(pattern=r"^/[!-~]*[^/]$")]
Paths = Annotated[tuple[Path_, ...], NoDecode, BeforeValidator(_comma_list)]
ScriptPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$")]
ScriptPaths = Annotated[tuple[ScriptPath, ...], NoDecode, BeforeValidator(_comma_list)]

EmailRule = Literal["plus_tag", "gmail_dots", "googlemail", "ya_domains"]
EmailRules = Annotated[tuple[EmailRule, ...], NoDecode, BeforeValidator(_comma_list)]

DestinationName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]  # a directory's name too


class SourceOptions(BaseModel):
    """Options of one source, ``[sources.<name>]`` in tropa.toml. Its key and class come from ``write_keys``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_origins: tuple[str, ...] = ()  # empty: any
    require_signed_identify: bool = False  # unsigned user ids, emails and phones of a browser key are no identifiers
    default_country: str | None = Field(default=None, pattern="^[A-Z]{2}$")  # region of phones without one
    identify_on_events: tuple[str, ...] = ()  # track events whose properties.email and phone are the sender's own
    cookie_name: str = Field(default="tropa", pattern="^[A-Za-z][A-Za-z0-9_]{0,31}$")  # of the SDK's global, cookies and storage
    cookie_domain: str | None = Field(default=None, pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")  # none: the collector's own host
    cookie_http_only: bool = False  # the visitor's id is the collector's to make, and script never sees it


class KindOptions(BaseModel):
    """Options of one kind of identifier, ``[kinds.<name>]`` in tropa.toml; ``ext`` is all of ``ext.…`` that are not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: Literal["unique", "point", "device", "passive"] | None = Field(default=None, alias="class")  # what sharing one means
    priority: int | None = Field(default=None, ge=1, le=99)  # the smallest anchors an event
    limit: int | None = Field(default=None, ge=1, le=1_000)  # values of one contact


class Settings(BaseSettings):
    """The collector's settings.

    Raises:
        SettingsError: from :func:`load`, naming the setting, the value's fault and what is accepted.
    """

    model_config = SettingsConfigDict(env_prefix="TROPA_", frozen=True, extra="forbid", env_ignore_empty=True)

    # -- listeners
    host: str = "0.0.0.0"  # noqa: S104 - the public listener is public
    port: int = Field(default=8000, ge=0, le=65535)
    admin_host: str = "127.0.0.1"
    admin_port: int = Field(default=8001, ge=0, le=65535)
    data: Path = Path("tropa-data")

    # -- who may send
    write_keys: Words = ()  # name:browser|server:key[:signing secret]; empty: made at first start
    admin_token: str | None = Field(default=None, min_length=16)  # empty: made at first start
    sources: dict[str, SourceOptions] = {}
    trusted_proxies: Words = ()  # networks whose X-Forwarded-For is believed
    ingest_paths: Paths = ()  # more paths, on any name, that answer as /v1/batch
    script_paths: ScriptPaths = ()  # more paths, on any name, that serve what /tropa.js does

    # -- who is who
    default_country: str | None = Field(default=None, pattern="^[A-Z]{2}$")  # region of phones without one
    device_policy: DevicePolicy = "complementary"  # when one browser joins two people who are both known
    shared_device_policy: SharedDevicePolicy = "anonymous"  # whose a browser's bare events are once two people used it
    history_from: str = Field(default="all", pattern="^(all|[0-9]{1,5})$")  # what joins a person on a login: all, or so many days
    email_rules: EmailRules = ()  # spellings that are one mailbox: `plus_tag`, `gmail_dots`, `googlemail`, `ya_domains`
    blocked_values: Words = ()  # `kind:value` that identifies nobody; `*` is any kind and any text: `email:*@corp.example`
    no_merge_values: Words = ()  # `kind:value` that stays with its contact and joins it to no other one
    trait_strategies: Words = ()  # `trait=strategy` of several values: last, first, known_first, union, min, max, any, all, consent
    kinds: dict[str, KindOptions] = {}  # [kinds.NAME] in tropa.toml
    searchable_traits: Words = ("name", "first_name", "last_name", "email", "phone")  # found by their beginning, beside identifiers

    # -- limits of a request
    max_body_bytes: int = Field(default=512_000, ge=1_024, le=64_000_000)  # once inflated
    max_event_bytes: int = Field(default=32_768, ge=512, le=1_000_000)
    max_batch_events: int = Field(default=5_000, ge=1, le=5_000)
    max_depth: int = Field(default=64, ge=4, le=200)
    max_string_chars: int = Field(default=16_384, ge=256)
    max_list_items: int = Field(default=1_000, ge=16)
    max_map_items: int = Field(default=500, ge=16)
    max_header_bytes: int = Field(default=32_768, ge=4_096)
    header_timeout_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    body_timeout_seconds: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    keep_alive_seconds: int = Field(default=15, ge=1)
    max_connections: int = Field(default=10_000, ge=16)

    # -- rates: events a second, sustained and at once; 0 is no limit
    key_events_per_second: int = Field(default=0, ge=0)
    key_burst_events: int = Field(default=20_000, ge=1)
    network_events_per_second: int = Field(default=200, ge=0)  # a /24 or /56 of one browser audience
    network_burst_events: int = Field(default=5_000, ge=1)
    limit_loopback: bool = False

    # -- enrich
    geo_databases: Words = ()  # .mmdb files; none: the country table that ships with iptocc
    ip_storage: Literal["truncated", "full", "none"] = "truncated"  # /24 and /48
    max_clock_skew_seconds: int = Field(default=86_400, ge=60)  # a larger one is not corrected
    enrich_cache_items: int = Field(default=5_000, ge=64)

    # -- log: where an accepted batch becomes durable when that is not the store itself
    log: str | None = Field(default=None, pattern="^kafka://")  # kafka://host:port,host:port/topic, stored by `tropa work`
    kafka_record_bytes: int = Field(default=1_000_000, ge=10_000)  # at most the topic's max.message.bytes less 1 KB
    kafka_delivery_seconds: float = Field(default=5.0, ge=0.5, le=600)  # a record without its delivery report is a 503 after these

    # -- store
    store: str = Field(default="sqlite", pattern=r"^(sqlite$|postgres(ql)?://)")  # sqlite: one file in data; postgresql://…: shared
    queue_events: int = Field(default=20_000, ge=100)
    queue_bytes: int = Field(default=32_000_000, ge=1_000_000)
    queue_seconds: float = Field(default=0.5, gt=0, allow_inf_nan=False)  # the oldest waiting event; beyond it new ones are refused
    retention_days: int = Field(default=0, ge=0, le=36_500)  # 0: keep for ever
    quarantine_bytes: int = Field(default=256_000_000, ge=1_000_000)
    quarantine_days: int = Field(default=30, ge=1, le=36_500)
    dedupe_days: int = Field(default=30, ge=30, le=36_500)  # a retry is recognised at least so long, also when its event is gone

    # -- forward
    destinations: dict[DestinationName, dict[str, Any]] = {}  # [destinations.NAME] in tropa.toml, read by forward/declared.py

    # -- stop
    drain_seconds: float = Field(default=8.0, gt=0, le=60)

    log_format: Literal["text", "json"] = "text"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        config = Path(os.environ.get("TROPA_CONFIG", "tropa.toml"))
        if "TROPA_CONFIG" in os.environ and not config.is_file():
            raise SettingsError(f"TROPA_CONFIG names {config}, which is not a file.")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)
        return value

    @field_validator("blocked_values", "no_merge_values")
    @classmethod
    def _rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for rule in own_rules(value, "block"):
            if rule.kind != "*" and not kind_table().has(rule.kind):
                raise ValueError(f"{rule.kind!r} is not a kind of identifier")
        return value

    @field_validator("trait_strategies")
    @classmethod
    def _strategies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            trait, _, strategy = entry.rpartition("=")
            if not trait or strategy not in get_args(StrategyName):
                raise ValueError(f"{entry!r} is not trait=strategy, the strategy one of {', '.join(get_args(StrategyName))}")
        return value

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: dict[str, KindOptions]) -> dict[str, KindOptions]:
        table = kind_table()
        for name, options in value.items():
            if name == "import_row" or (name not in table and not table.has(name)):
                raise ValueError(f"{name!r} is not a kind of identifier; another system's ids are ext.<system>")
            if name in ("user_id", "anonymous_id") and options.strength is not None:
                raise ValueError(f"the class of {name} cannot be changed")
        return value

    @field_validator("log")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            kafka_address(value)
        return value

    @field_validator("geo_databases")
    @classmethod
    def _files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not Path(path).is_file():
                raise ValueError(f"{path} is not a file")
        return value

    @model_validator(mode="after")
    def _event_fits_body(self) -> Self:
        if self.max_event_bytes > self.max_body_bytes:
            raise ValueError("max_event_bytes must not be larger than max_body_bytes")
        return self

    @model_validator(mode="after")
    def _paths_are_distinct(self) -> Self:
        if shared := set(self.script_paths) & set(self.ingest_paths):
            raise ValueError(f"script_paths and ingest_paths must not share {', '.join(sorted(shared))}")
        return self

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(network, strict=False) for network in self.trusted_proxies)


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process: ``flags`` that are not None over the environment over tropa.toml.

    Raises:
        SettingsError: an unknown name or an unusable value.
    """
    known = {f"TROPA_{name.upper()}" for name in Settings.model_fields} | {"TROPA_CONFIG"}
    unknown = sorted(name for name in os.environ if name.startswith("TROPA_") and name not in known)
    if unknown:
        raise SettingsError(f"Unknown setting {', '.join(unknown)}. `tropa doctor --settings` lists the ones there are.")
    try:
        return Settings(**{name: value for name, value in (flags or {}).items() if value is not None})
    except ValidationError as error:
        faults = "\n".join(f"  {'.'.join(map(str, one['loc'])) or 'settings'}: {_said(one)}" for one in error.errors())
        raise SettingsError(f"These settings cannot be used:\n{faults}") from None
    except PydanticSettingsError as error:  # of a variable that should hold JSON
        raise SettingsError(f"A variable cannot be read, tables are JSON there: {error}.") from None
    except (ValueError, OSError) as error:
        raise SettingsError(f"{os.environ.get('TROPA_CONFIG', 'tropa.toml')} cannot be read: {error}.") from None


def _said(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    return fault["msg"].removeprefix("Value error, ")
