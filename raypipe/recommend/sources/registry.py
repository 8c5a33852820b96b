"""The registry of sources: a row each. The index of a row is published and never moves."""

import hashlib
from dataclasses import dataclass

from raypipe.config import RunConfig, SourceConfig, SourcesConfig, check_section
from raypipe.config.user_code import load_user_code, source_file
from raypipe.errors import ConfigError
from raypipe.recommend.sources import (
    SourceSpec,
    factors,
    follow_back,
    pagerank,
    popular,
    similar,
    walks,
)
from raypipe.storage.files import sha256_file

SOURCES: tuple[SourceSpec, ...] = (
    similar.SPEC,
    popular.SPEC,
    factors.SPEC,
    follow_back.SPEC,
    walks.TWO_HOP,
    walks.CO_FOLLOWED,
    pagerank.SPEC,
)


@dataclass(frozen=True)
class ConfiguredSource:
    """A source with its section of a config.

    Attributes:
        name: as published; for a source of the user's own, its key in ``sources.custom``.
        index: its position among the sources of the config.
    """

    name: str
    index: int
    spec: SourceSpec
    section: SourceConfig
    ready: bool


def sources_of(config: RunConfig) -> dict[str, ConfiguredSource]:
    """All sources by name: those of the registry in its order, then ``sources.custom``.

    Raises:
        ConfigError: a source of ``sources.custom`` is not there, is no source, or has a name or
            parameters that are refused.
        InputError: its module raised when it was imported.

    Example:
        >>> list(sources_of(RunConfig()))
        ['similar', 'popular', 'factors', 'follow_back', 'two_hop', 'co_followed', 'pagerank']
        >>> sources_of(RunConfig())["factors"].ready
        False
    """
    sections = config.sources.sections
    specs = {spec.name: spec for spec in SOURCES}
    found = {
        name: (spec, sections[name] if name in sections else spec.section())
        for name, spec in specs.items()
    }
    for name in config.sources.custom:
        if name in specs:
            raise ConfigError(f"sources.custom.{name}: raypipe has a source {name}; rename yours")
        found[name] = _custom_source(config.sources, name)
    trained = config.sources.factors.trained
    return {
        name: ConfiguredSource(
            name, index, spec, section, section.ready and (trained or not spec.needs_model)
        )
        for index, (name, (spec, section)) in enumerate(found.items())
    }


def fusion_order(config: RunConfig) -> list[ConfiguredSource]:
    """The sources in the order in which rank fusion adds their ranks: that of the config.

    Sources that are not in the config come last.

    Example:
        >>> [source.name for source in fusion_order(RunConfig())][:3]
        ['follow_back', 'two_hop', 'co_followed']
    """
    sources = sources_of(config)
    names = dict.fromkeys((*config.sources.sections, *sources))
    return [sources[name] for name in names if name in sources]


def walk_limits(config: RunConfig) -> dict[str, tuple[str, int | None]]:
    """For each source of two steps, the side that it walks through and its limit.

    Example:
        >>> walk_limits(RunConfig())
        {'two_hop': ('followees', None), 'co_followed': ('followers', None)}
    """
    return {
        name: (source.spec.walks_through, getattr(source.section, "max_intermediary_follows", None))
        for name, source in sources_of(config).items()
        if source.spec.walks_through is not None
    }


def describe_sources() -> str:
    """The sources of the registry in words, for help.

    Example:
        >>> describe_sources().split("; ")[0]
        'popular: has the most followers'
    """
    by_phase = sorted(SOURCES, key=lambda spec: spec.phase or len(SOURCES))
    return "; ".join(f"{spec.name}: {spec.summary}" for spec in by_phase)


def digest_of_custom_sources(config: SourcesConfig) -> bytes:
    """SHA-256 over the files that hold the user's own sources; the empty string if there are none.

    Raises:
        ConfigError: there is no such module.
    """
    digests = (
        sha256_file(str(source_file(section.use, f"sources.custom.{name}.use")))
        for name, section in config.custom.items()
    )
    text = "\n".join(digests)
    return hashlib.sha256(text.encode()).digest() if text else b""


def _custom_source(config: SourcesConfig, name: str) -> tuple[SourceSpec, SourceConfig]:
    """The source that ``sources.custom.<name>`` names, and its parameters, checked by itself."""
    custom, key = config.custom[name], f"sources.custom.{name}"
    spec = load_user_code(custom.use, f"{key}.use", "SourceSpec", SourceSpec)
    values = {"weight": custom.weight, **custom.parameters}
    section = check_section(spec.section, values, key)
    if not isinstance(section, SourceConfig):
        raise ConfigError(
            f"{custom.use}: its section is a {type(section).__name__}, expected a SourceConfig; "
            f"fix {key}.use"
        )
    return spec, section
