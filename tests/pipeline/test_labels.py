"""Labels in a night: tables, counts, a warm start, and the filter that reads them."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.cli.output.report import print_report
from raypipe.columns import REPUTATION_SCHEMA, SUSPECTS_SCHEMA
from raypipe.config import load_config
from raypipe.errors import HeldError, InputError
from raypipe.graph.follow_graph import load_graph
from raypipe.integrity.reputation import reputation, trusted_accounts
from raypipe.pipeline.run import run_night
from raypipe.serving.explain import explain
from raypipe.serving.lookup import look_up
from raypipe.serving.reports.runs import run_report
from raypipe.storage.data_files import read_parquet
from raypipe.storage.runs.labels import load_reputation, load_suspects
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

FRIENDS = [
    (f"f{a:02}", f"f{b:02}") for a in range(50) for b in range(50) if (b - a) % 50 < 40 and a != b
]
#: The target follows the fans, so that they may be shown.
FARM = [(f"x{i:02}", "target") for i in range(40)] + [("target", f"x{i:02}") for i in range(40)]


@pytest.fixture
def night(tmp_path):
    """A function that runs a night of these follows."""

    def run(rows, date="2026-03-01", **settings):
        path = tmp_path / "follows.csv"
        path.write_text("\n".join(["followerId,followingId", *map(",".join, rows)]))
        asked = {"input.follows": str(path), "cluster": "none", "ladder": "fixed", **settings}
        return run_night(load_config(None, PLAIN | asked), RunStore(tmp_path / "runs"), date).run

    return run


def shown(run):
    return {row["candidateId"] for row in run.table("recommendations").to_pylist()}


def test_reputation_and_suspects_are_tables_of_the_run(night):
    run = night(FRIENDS + FARM)
    graph = load_graph(run.path / "graph")
    table = read_parquet(run.path / "reputation.parquet")
    assert table.schema.equals(REPUTATION_SCHEMA)
    assert table["accountId"].to_pylist() == graph.ids.to_pylist()
    expected = reputation(graph, trusted_accounts(graph).codes)
    assert load_reputation(run).tolist() == expected.tolist()
    suspects = load_suspects(run)
    assert read_parquet(run.path / "suspects.parquet").schema.equals(SUSPECTS_SCHEMA)
    assert set(suspects["accountId"].to_pylist()) == {one for one, _ in FARM if one[0] == "x"}
    assert set(suspects["detector"].to_pylist()) == {"synchronised"}
    labels = run.manifest.integrity
    assert (labels.suspects, labels.by_detector) == (40, {"synchronised": 40})
    assert labels.with_reputation == np.count_nonzero(expected) == 50
    assert verify_run(run) == []


def test_the_summary_counts_suspects(night, capsys):
    run = night(FRIENDS + FARM)
    print_report(run_report(run.manifest, "runs/x"))
    output = capsys.readouterr().out
    assert "reputation: 50 of 91 accounts; trusted: 50 accounts that follow each other" in output
    assert "suspects: 40 (synchronised 40)" in output


def test_nobody_is_left_out_unless_the_filter_is_on(night, tmp_path):
    follows, lists = FRIENDS + FARM, {"recommendations.per_account": 100}
    fans = {one for one, _ in FARM if one[0] == "x"}
    assert shown(night(follows, **lists)) & fans
    run = night(follows, **lists, **{"filters.suspects": True})
    assert not shown(run) & fans
    assert run.manifest.counts.filters["suspects"] == 40
    found = explain(look_up(RunStore(tmp_path / "runs"), "f00"), "x00")
    assert (found.why_not, found.because) == ("SUSPECT", "it is a suspect")


def test_reputation_starts_where_the_night_before_ended(night):
    chain = [(f"c{a}", f"c{b}") for a in range(30) for b in (a - 1, a + 1) if 0 <= b < 30]
    first = night(FRIENDS + chain + [("c0", "f00"), ("f00", "c0")])
    assert first.manifest.integrity.warm_from is None
    more = [*FRIENDS, *chain, ("f00", "f45"), ("f07", "aa"), ("c5", "f00"), ("f00", "c5")]
    second = night(more, "2026-03-02")
    assert second.manifest.integrity.warm_from == first.id
    graph, before = load_graph(second.path / "graph"), load_graph(first.path / "graph")
    start = np.zeros(graph.accounts)
    start[graph.codes(before.ids)] = load_reputation(first)
    expected = reputation(graph, trusted_accounts(graph).codes, start)
    assert load_reputation(second).tolist() == expected.tolist()
    assert expected.tolist() != reputation(graph, trusted_accounts(graph).codes).tolist()
    assert night(more, "2026-03-02").id == second.id


def test_a_table_of_trusted_accounts_is_part_of_the_input(night, tmp_path):
    path = tmp_path / "trusted.csv"
    found = []
    for ids in ("f01\nf02\n", "f03\n"):
        path.write_text("accountId\n" + ids)
        found.append(night(FRIENDS + FARM, **{"integrity.trusted": str(path)}))
    assert found[0].id != found[1].id
    assert found[1].manifest.integrity.trusted == "1 accounts in integrity.trusted"
    path.write_text("accountId\nf01\nnobody\n")
    (notice,) = night(FRIENDS + FARM, **{"integrity.trusted": str(path)}).manifest.notices
    assert notice.text.startswith("integrity.trusted: 1 of 2 ids are unknown: without effect, such")
    path.write_text("accountId\nnobody\n")
    with pytest.raises(InputError, match=r"integrity.trusted: found 1 unknown \('nobody'\),"):
        night(FRIENDS + FARM, **{"integrity.trusted": str(path)})


def test_a_network_without_follows_has_nobody_to_trust(night, tmp_path):
    (tmp_path / "accounts.csv").write_text("accountId\na\nb\n")
    with pytest.raises(HeldError):  # without recommendations
        night([("a", "a")], **{"audience.accounts": str(tmp_path / "accounts.csv")})
    (run,) = RunStore(tmp_path / "runs").runs()
    assert run.manifest.integrity.trusted == "nobody: there are no follows"
    assert load_reputation(run).tolist() == [0, 0]
