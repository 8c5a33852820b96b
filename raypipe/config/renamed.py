"""Keys of earlier versions of raypipe, with their new names. They are refused, not read."""

from typing import Any

from raypipe.errors import ConfigError

#: Old dotted key -> new dotted key. A section stands for all its keys that are not listed.
RENAMED_KEYS = {
    "similar.max_followers_in_similarity": "sources.similar.max_followers",
    "similar": "sources.similar",
    "two_hop.weight": "sources.two_hop.intermediary_weight",
    "two_hop.max_follows": "sources.two_hop.max_intermediary_follows",
    "two_hop": "sources.two_hop",
    "co_followed.weight": "sources.co_followed.intermediary_weight",
    "co_followed.max_follows": "sources.co_followed.max_intermediary_follows",
    "co_followed": "sources.co_followed",
    "factors": "sources.factors",
    "rejections": "feedback.negative",
    "blend.combine": "blend.method",
    "blend.weights.follow_back": "sources.follow_back.weight",
    "blend.weights.two_hop": "sources.two_hop.weight",
    "blend.weights.co_followed": "sources.co_followed.weight",
    "blend.weights.similar": "sources.similar.weight",
    "blend.weights.factors": "sources.factors.weight",
    "blend.weights.popular": "sources.popular.weight",
    "blend.weights": "sources.<name>.weight",
    "blend.candidates": "blend.candidates_per_source",
    "blend.most_of_one": "blend.max_share_per_source",
    "filters.used_to_follow": "filters.previously_followed",
    "evaluation.sizes": "evaluation.segments",
    "evaluation.accounts": "evaluation.max_accounts",
}

#: (key, old value) -> new value.
RENAMED_VALUES = {
    ("ladder", "evidence"): "holdout",
    ("blend.method", "fixed"): "rank_fusion",
    ("blend.method", "learned"): "learned_ranker",
}


def refuse_renamed(tree: dict[str, Any], where: str, above: str = "") -> None:
    """Refuse keys and values of an earlier version of raypipe, and name the new ones.

    Args:
        tree: sections of a config, as read from YAML.
        where: their file, for the message.
        above: the key of the tree, with a dot at its end.

    Raises:
        ConfigError: names the first such key and its new name.

    Example:
        >>> refuse_renamed({"similar": {"neighbours": 50}}, "a.yaml")
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: a.yaml: similar.neighbours: renamed; write \
sources.similar.neighbours
    """
    for name, value in tree.items():
        key = f"{above}{name}"
        if isinstance(value, dict) and value:
            refuse_renamed(value, where, f"{key}.")
        elif new := _new_name(key):
            raise ConfigError(f"{where}: {key}: renamed; write {new}")
        elif isinstance(value, str) and (key, value) in RENAMED_VALUES:
            raise ConfigError(
                f"{where}: {key}: {value} is renamed; write {key}: {RENAMED_VALUES[key, value]}"
            )


def _new_name(key: str) -> str | None:
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        new = RENAMED_KEYS.get(".".join(parts[:length]))
        if new:
            return ".".join([new, *parts[length:]])
    return None
