"""``raypipe attack``: exposures that can be counted, files, JSON, shards, errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import raypipe
from raypipe.attacks import night, run
from raypipe.attacks.attacks import ATTACKS
from raypipe.cli import app
from raypipe.errors import InputError
from raypipe.storage.attacks import AttackResult
from tests.strategies import graph_of

#: Lists of single sources need no hold-out selection, so they are quick.
QUICK = ["cluster=none", "evaluation.bootstrap=100", "ladder=fixed"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert CliRunner().invoke(app, ["demo", "--accounts", "400"]).exit_code == 0


def attack(*words: object, settings=QUICK, follows="demo/follows.csv"):
    line = ["attack", "--follows", follows]
    line += [word for setting in settings for word in ("--set", setting)]
    return CliRunner().invoke(app, [*line, *map(str, words)])


def as_json(*words: object, settings=QUICK):
    result = attack("--json", *words, settings=settings)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def config_of(**more: object):
    settings = dict(setting.split("=") for setting in QUICK)
    return {**settings, "evaluation.bootstrap": 100, "input.follows": "demo/follows.csv", **more}


def test_follow_back_shows_spammers_to_each_account_that_they_follow(monkeypatch):
    made = []
    spam = ATTACKS["follow_spam"]
    monkeypatch.setitem(ATTACKS, "follow_spam", lambda scene: made.append(spam(scene)) or made[-1])
    lists = {"recommendations.per_account": 1000, "attack.strategies": ["follow_back"]}
    lists["integrity.bounds"] = False
    how = {"attack.attacks": ["follow_spam"], "attack.budgets": [10, 90]}
    found = raypipe.attack(config_of(**lists, **how)).attacks
    for row, injection in zip(found, made, strict=True):
        followed = set(injection.nights[0][:, 1].tolist())
        real = {code for code in followed if code < row.bought.lists}
        assert row.bought.reached == len(real)
        assert row.bought.price.value == pytest.approx(len(real) / row.budget)
        assert (row.follows, row.target) == (row.budget, None)


def test_fakes_whom_nobody_proven_follows_are_shown_to_nobody():
    single = ["follow_back", "similar", "co_followed", "two_hop", "pagerank", "popular"]
    names = ["ring", "follow_spam", "copycat"]
    how = {"attack.attacks": names, "attack.budgets": [300], "attack.strategies": single}
    for row in raypipe.attack(config_of(**how, **{"integrity.unproven_votes": 100})).attacks:
        assert row.bought.reached == 0


def test_popular_shows_a_farmed_account_at_rank_1_to_all_who_do_not_follow_it():
    lists = {"attack.strategies": ["popular"], "attack.attacks": ["follow_farm"]}
    lists["integrity.bounds"] = False
    found = raypipe.attack(config_of(**lists, **{"attack.budgets": [400]})).attacks[0]
    rows = {tuple(row.split(",")) for row in Path("demo/follows.csv").read_text().split()[1:]}
    followers = {follower for follower, followee in rows if followee == found.target}
    assert found.accounts == 400
    # Some of its followers are hidden; they are shown the account, too.
    without = found.bought.lists - found.bought.first
    assert 1 <= without <= len(followers - {found.target}) + 1
    assert found.bought.reached == found.bought.first


def test_the_lists_of_nobody_change_where_nothing_is_learned_from_others():
    how = {"attack.strategies": ["follow_back"], "attack.attacks": ["follow_farm"]}
    row = raypipe.attack(config_of(**how, **{"attack.budgets": [30]})).attacks[0].bought
    assert row.recall_lost.value == 0
    assert row.recall_before > 0


def test_files_and_json_say_the_same():
    said = as_json("--budgets", "20", settings=[*QUICK, "attack.strategies=[ladder,popular]"])
    folder = Path(said.pop("folder"))
    assert folder == Path("attacks", f"{said['date']}-{said['digest']}")
    assert json.loads((folder / "attack.json").read_text()) == said
    result = AttackResult.from_json((folder / "attack.json").read_bytes())
    nights = {name: 2 if name in ("sleeper", "newcomers") else 1 for name in ATTACKS}
    assert len(result.attacks) == sum(nights.values()) * 2
    reached = pq.read_table(folder / "attack.parquet").to_pandas()
    names = ["accountId", "attack", "strategy", "budget", "seed", "night", "rank"]
    assert list(reached) == names
    for row in result.attacks:
        about = (row.attack, row.strategy, row.budget, row.seed, row.night)
        some = reached[(reached[names[1:-1]] == list(about)).all(axis=1)]
        assert (len(some), (some["rank"] == 1).sum()) == (row.bought.reached, row.bought.first)
        assert some["accountId"].is_unique
    assert (folder / "attack.png").read_bytes().startswith(b"\x89PNG")
    frame = result.to_pandas()
    assert frame["exposure"].tolist() == [row.bought.exposure.value for row in result.attacks]
    assert {"price_low", "recall_lost_high", "rank_shift"} <= {*frame}


def test_shards_do_not_show():
    cases = ["--attacks", "ring,sleeper,rejection_brigade", "--budgets", "60"]
    one, many = (
        as_json(*cases, "--out", f"out{n}", settings=[*QUICK, f"shards={n}"]) for n in (1, 7)
    )
    assert one["digest"] == many["digest"]
    assert one["attacks"] == many["attacks"]
    files = [Path(said["folder"], "attack.parquet").read_bytes() for said in (one, many)]
    assert files[0] == files[1]


@pytest.mark.long
def test_ray_does_not_show_in_attacks_end_to_end():
    cases = ["--attacks", "ring,copycat", "--budgets", "300"]
    here, ray = (
        as_json(*cases, settings=["evaluation.bootstrap=100", f"cluster={cluster}", "shards=3"])
        for cluster in ("none", "local")
    )
    assert here["attacks"] == ray["attacks"]
    assert here["attacks"][0]["leads"]


def test_seeds_are_repetitions_and_the_digest_knows_the_attacks():
    asked = ["--attacks", "random", "--budgets", "10"]
    one, three = as_json(*asked), as_json(*asked, settings=[*QUICK, "attack.seeds=3"])
    assert [row["seed"] for row in three["attacks"]] == [0, 1, 2]
    assert one["attacks"] == three["attacks"][:1]
    assert one["digest"] != three["digest"]


def test_a_table_in_80_columns():
    result = attack("--budgets", "20", settings=[*QUICK, "attack.seeds=2"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    two = {"sleeper", "newcomers"}
    shown = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert set(shown) == {*ATTACKS} - two | {
        f"{name}, night {night}" for name in two for night in (1, 2)
    }
    assert any(line.startswith("lists of 420 real accounts, 10 long; recall") for line in lines)
    assert "strategies as in the clean night; each attacked night trains its ranker" in lines
    assert "attack ...\n" in result.stderr


@pytest.mark.parametrize(
    ("retrain", "again", "anew"), [("ranker", 2, 0), ("all", 0, 2), ("none", 0, 0)]
)
def test_an_attacked_night_learns_anew_what_the_config_says(monkeypatch, retrain, again, anew):
    made, choose = [], night.choose_ladder
    monkeypatch.setattr(night, "choose_ladder", lambda *given: made.append(1) or choose(*given))
    monkeypatch.setattr(night, "train_again", lambda *given: made.append(0) or given[4])
    said = as_json(
        "--attacks",
        "ring,random",
        "--budgets",
        "10",
        settings=[*QUICK, f"attack.retrain={retrain}"],
    )
    assert said["retrain"] == retrain
    assert (made.count(0), made.count(1)) == (again, anew + 1)


def test_the_target_is_one_that_attacks_can_promote():
    rows = [(f"{a:03}", f"{b:03}") for a in range(200) for b in range(a)]
    graph = graph_of(rows)
    found = {graph.followers.degrees[run._draw_target(graph, seed)] for seed in range(200)}
    assert found == set(range(180, 198))


def test_a_target_of_the_config_is_promoted_and_demoted():
    ids = [line.split(",")[1] for line in Path("demo/follows.csv").read_text().split()[1:]]
    target = max(set(ids), key=ids.count)
    asked = ["--attacks", "bandwagon,rejection_brigade,ring", "--budgets", "20"]
    said = as_json(*asked, settings=[*QUICK, f"attack.target={target}"])
    assert [row["target"] for row in said["attacks"]] == [target, target, None]


def test_filters_hold_on_the_attacked_graph():
    ids = {line.split(",")[1] for line in Path("demo/follows.csv").read_text().split()[1:]}
    Path("bots.csv").write_text("\n".join(["accountId", *ids]))
    how = {"attack.strategies": ["popular"], "attack.attacks": ["follow_farm"]}
    config = config_of(**how, **{"attack.budgets": [400], "filters.bots": "bots.csv"})
    assert raypipe.attack(config).attacks[0].bought.reached == 0


def test_a_suspicion_score_is_measured_and_shown():
    def knows(graph):
        return np.array(["~fake" in one for one in graph.ids.to_pylist()], float)

    how = {"attack.attacks": ["ring"], "attack.budgets": [10], "attack.strategies": ["popular"]}
    result = raypipe.attack(config_of(**how), suspicion=knows)
    found = result.attacks[0].detection
    assert (found.auc, found.detected, found.false_positives) == (1, 1, 0)
    assert result.to_pandas()["auc"].tolist() == [1]
    with pytest.raises(InputError, match="suspicion: returned shape"):
        raypipe.attack(config_of(**how), suspicion=lambda graph: np.zeros(3))


def test_the_detectors_of_a_night_are_measured_unless_a_score_is_given():
    names = ["random", "follow_farm", "newcomers"]
    how = {"attack.attacks": names, "attack.budgets": [300], "attack.strategies": ["popular"]}
    bots, farm, newcomers, _ = raypipe.attack(config_of(**how)).attacks
    assert bots.detection.auc == farm.detection.auc == 1
    assert newcomers.detection.auc is None
    assert newcomers.detection.false_positives < 0.002
    assert "suspects" in attack("--attacks", "ring", "--budgets", "300").output


WRONG = [
    (["--attacks", "rings"], 78, "attack.attacks: no attack 'rings'; did you mean ring?"),
    (["--attacks", "ring", "--budgets", "9"], 78, "attack.budgets"),
    (["--set", "attack.target=nobody"], 67, "attack.target: account 'nobody' is not among"),
    (["--attacks", "newcomers", "--budgets", "99999"], 78, "newcomers with 99,999 follows are"),
    (["--attacks", "copycat", "--budgets", "99999"], 78, "copycat with 99,999 follows copies"),
    (["--set", "attack.strategies=[popula]"], 78, "no source 'popula'; did you mean popular?"),
    (["--set", "attack.strategies=[learned_ranker]"], 78, "this config does not blend"),
    (["--follows", "empty.csv"], 65, "empty.csv: found no rows"),
    (["--follows", "selves.csv"], 65, "no account can be measured"),
    (["--follows", "none.csv"], 66, "none.csv"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG)
def test_bad_input_is_one_line(words, code, said):
    Path("empty.csv").write_text("followerId,followingId\n")
    Path("selves.csv").write_text("followerId,followingId\na,a\n")
    result = attack(*words)
    assert result.exit_code == code, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("raypipe: ")
    assert said in last


def test_a_ranker_that_was_asked_for_and_cannot_be_trained_is_an_error():
    rows = [f"{a},{b}" for a in range(9) for b in range(9) if a != b]
    Path("few.csv").write_text("\n".join(["followerId,followingId", *rows]))
    settings = ["cluster=none", "attack.strategies=[learned_ranker]"]
    result = attack("--attacks", "ring", "--budgets", "10", settings=settings, follows="few.csv")
    assert result.exit_code == 65
    assert "attack.strategies: learned_ranker: ladder: as fixed" in result.stderr


def test_names_are_those_of_the_registry():
    assert run._check_names(None) == tuple(ATTACKS)
    assert run._check_names(["ring", "ring"]) == ("ring",)
