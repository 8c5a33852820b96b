from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import RunConfig, load_config, parse_setting, to_yaml
from raypipe.errors import ConfigError
from tests.paths import ROOT

CONFIGS = sorted(ROOT.glob("configs/*.yaml"))


def test_command_line_wins_over_file_and_file_over_default(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("sources:\n  similar:\n    neighbours: 20\n    threshold: 0.3\n")
    config = load_config(path, {"sources.similar.neighbours": 50})
    assert config.sources.similar.neighbours == 50
    assert config.sources.similar.threshold == 0.3
    assert config.sources.similar.min_follows == 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_loads_and_says_what_holds(path, tmp_path):
    config = load_config(path)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(to_yaml(config))
    assert load_config(resolved) == config


@given(
    st.integers(1, 1000),
    st.decimals(0, "0.999", places=3).map(float),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
)
def test_yaml_round_trip(tmp_path_factory, neighbours, threshold, follows):
    config = load_config(
        None,
        {
            "sources.similar.neighbours": neighbours,
            "sources.similar.threshold": threshold,
            "input.follows": follows,
        },
    )
    path = tmp_path_factory.mktemp("config") / "c.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(path) == config


def test_digest_is_of_what_changes_the_result():
    base = RunConfig().digest()
    for key, value in {
        "frames": "modin",
        "cluster": "local",
        "shards": 7,
        "memory_per_task": "2GB",
    }.items():
        assert load_config(None, {key: value}).digest() == base, key
    for key, value in {
        "input.follows": "a.csv",
        "sources.similar.neighbours": 11,
        "sources.similar.max_followers": 1000,
        "recommendations.per_account": 5,
        "audience.min_follows": 1,
        "candidates.min_followers": 2,
        "feedback.negative.popular": 1,
        "feedback.negative.neighbours": 1,
        "feedback.negative.votes": 0,
        "feedback.negative.factors": False,
        "evaluation.rejections": "no.csv",
        "input.followee_prefix": "place ",
        "evaluation.k": [5],
        "seed": 1,
    }.items():
        assert load_config(None, {key: value}).digest() != base, key


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [("2GB", 2_000_000_000), ("1.5 GiB", 1_610_612_736), (300_000_000, 300_000_000), (None, None)],
)
def test_memory_is_written_as_people_write_it(written, bytes_):
    assert load_config(None, {"memory_per_task": written}).memory_per_task == bytes_


def test_threshold_is_exact():
    assert load_config(
        None, {"sources.similar.threshold": 0.1}
    ).sources.similar.threshold_fraction == (
        1,
        10,
    )
    assert load_config(
        None, {"sources.similar.threshold": 0}
    ).sources.similar.threshold_fraction == (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "found a list, expected sections of keys"),
        ("a: [1\n", "line 2: not YAML: "),
        ("seed: 1\nseed: 2\n", "line 2: not YAML: found duplicate key"),
        (
            "sources: {similar: {neighbors: 3}}\n",
            "sources.similar.neighbors: unknown key; did you mean neighbours?",
        ),
        ("zzz: 3\n", "zzz: unknown key; known: input, frames, cluster"),
        (
            "sources: {similar: {neighbours: 0}}\n",
            "sources.similar.neighbours: found 0; input should be greater",
        ),
        (
            "sources: {similar: {max_followers: 0}}\n",
            "sources.similar.max_followers: found 0; input should be greater",
        ),
        (
            "sources: {similar: {threshold: 1}}\n",
            "sources.similar.threshold: found 1; input should be less than 1",
        ),
        ("sources: {similar: 3}\n", "sources.similar: found 3; expected a section of keys"),
        ("memory_per_task: 2 apples\n", "memory_per_task: found '2 apples'; could not interpret"),
        ("memory_per_task: 0\n", "memory_per_task: found 0; input should be greater than 0"),
        ("frames: polars\n", "frames: found 'polars'; input should be 'auto', 'pandas' or 'modin'"),
        ("input:\n  transform: my_step\n", "input.transform: found 'my_step'; string should match"),
        ("input:\n  carry: 3\n", "input.carry: found 3; input should be a valid list"),
        ("cluster: locl\n", "cluster: found 'locl'; expected auto, none, local or HOST:PORT"),
        ("frames: modin\ncluster: none\n", "frames: modin runs on Ray, but cluster is none"),
        ("sources: {similar: {threshold: 0.12345678912}}\n", "at most 9 decimal places"),
        ("evaluation: {share: 0.12345678912}\n", "at most 9 decimal places"),
        ("evaluation: {share: 0}\n", "evaluation.share: found 0; input should be greater than 0"),
        ("evaluation: {k: []}\n", "evaluation.k: found []; list should have at least 1 item"),
        ("evaluation: {k: [10, 0]}\n", "evaluation.k: found 0; input should be greater than"),
        ("evaluation: {metrics: []}\n", "evaluation.metrics: found []; list should have at least"),
        ("evaluation: {splt: time}\n", "evaluation.splt: unknown key; did you mean split?"),
        (
            "evaluation: {split: file}\n",
            "evaluation: split: file needs test, a file of the follows to be predicted",
        ),
        (
            "evaluation: {test: a.csv}\n",
            "evaluation: test is set, but split is share; set split: file",
        ),
        (
            "evaluation: {segments: {warm: 50}}\n",
            "evaluation.segments: cold, warm and hot are 3, 50 and 50; expected ascending numbers",
        ),
        (
            "sources: {similar: {neighbours: ten}}\n",
            "sources.similar.neighbours: found 'ten'; input should be",
        ),
    ],
)
def test_bad_configs_say_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_lengths_are_each_there_once_ascending():
    assert load_config(None, {"evaluation.k": [20, 5, 20]}).evaluation.k == [5, 20]


def test_a_share_is_exact():
    assert load_config(None, {"evaluation.share": 0.29}).evaluation.share_fraction == (29, 100)


def test_unreadable_configs(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"input: \xe9\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("input.comment=#", "comment", "#"),
        ("input.delimiter=,", "delimiter", ","),
        ("input.delimiter=|", "delimiter", "|"),
        ("input.delimiter=\\t", "delimiter", "\t"),
        ("input.delimiter=\t", "delimiter", "\t"),
        ("input.transform=null", "transform", None),
        ("input.follows=./a//b.csv", "follows", "a/b.csv"),
    ],
)
def test_settings_that_are_marks(setting, key, value):
    config = load_config(None, dict([parse_setting(setting)]))
    assert getattr(config.input, key) == value


def test_empty_sections_mean_their_defaults(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("input:\nsources:\n")
    assert load_config(path) == RunConfig()
    assert load_config(path, {"input.follows": "a"}).input.follows == "a"


@pytest.mark.parametrize("setting", ["sources.similar.neighbours", "=3", "a=[1"])
def test_bad_settings_say_what_is_expected(setting):
    with pytest.raises(ConfigError, match="--set"):
        parse_setting(setting)


def test_setting_below_a_value_is_refused():
    with pytest.raises(ConfigError, match="similar is a value, not a section"):
        load_config(
            None,
            dict(
                [parse_setting("sources.similar=3"), parse_setting("sources.similar.neighbours=3")]
            ),
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5000, "is nested too deeply"),
        ("a: " + "[" * 5000, "is nested too deeply"),
        ("input: &a\n  follows: *a\n", "is nested too deeply, or too large"),
        ("a: &a [*a]\n", "is nested too deeply, or too large"),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)),
            "is nested too deeply, or too large",
        ),
        ("# " + "x" * 300_000, "is larger than 256 kB"),
        ("budget: .inf", "budget: found inf; input should be a finite number"),
        ("budget: .nan", "budget: found nan; input should be a finite number"),
    ],
    ids=["deep list", "deep value", "recursive", "itself", "aliases", "large", "infinity", "nan"],
)
def test_a_config_that_is_a_bomb_is_one_line(text, message, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    started = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - started < 10


def test_an_endless_config_is_one_line():
    with pytest.raises(ConfigError, match=r"^/dev/zero: is larger than 256 kB; "):
        load_config(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("./a.csv", "a.csv"),
        ("a//b/./c/", "a/b/c"),
        ("a/../b.csv", "a/../b.csv"),
        ("s3://bucket/a.csv", "s3://bucket/a.csv"),
        ("~/a.csv", "/home/ann/a.csv"),
        ("${DATA}/a.csv", "/data/a.csv"),
        ("$DATA/a.csv", "$DATA/a.csv"),
        ("-", "-"),
    ],
)
def test_paths_of_a_config(written, meant, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("DATA", "/data")
    assert load_config(None, {"input.follows": written}).input.follows == meant


def test_an_unknown_variable_is_named(monkeypatch):
    monkeypatch.delenv("NOBODY", raising=False)
    with pytest.raises(ConfigError, match="the environment has no variable NOBODY"):
        load_config(None, {"input.follows": "${NOBODY}/a.csv"})


@pytest.mark.parametrize("text", ["2Gi", "2GiB", "2147483648"])
def test_sizes_as_kubernetes_writes_them(text):
    assert load_config(None, {"memory_per_task": text}).memory_per_task == 2**31
