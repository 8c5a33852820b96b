"""The script of the CronJob, against an API server of our own."""

from __future__ import annotations

import datetime

import pytest

from tests.k8s.objects import of_kind, start_night

RAYJOBS = "/apis/ray.io/v1/namespaces/raypipe/rayjobs"


@pytest.fixture
def starter(cluster, tmp_path, monkeypatch):
    """The script as in its pod on 2026-11-23 at 23:30 UTC; starter(*more) is its exit code."""
    script = start_night()
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("t0ken")
    (account / "namespace").write_text("raypipe\n")
    monkeypatch.setattr(script, "ACCOUNT", account)
    monkeypatch.setattr(script, "trusted", lambda: None)  # there is no TLS here
    monkeypatch.setenv("JOB_NAME", "raypipe-night-29730330")
    monkeypatch.setenv("JOB_UID", "0d6f")

    class Late(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 23, 23, 30, tzinfo=datetime.timezone.utc).astimezone(tz)

    monkeypatch.setattr(script.datetime, "datetime", Late)
    told = ["--template", "raypipe-night-template", "--name", "raypipe-night"]
    told += ["--server", cluster[0]]
    return lambda *more: script.main([*told, *(more or ["--time-zone", "Etc/UTC"])])


def test_a_night_is_made_of_the_template_once(starter, apply, cluster, capsys):
    apply("nightly")
    api = cluster[1]
    api.token, api.requests = "t0ken", []
    assert starter() == 0
    assert capsys.readouterr().out == "raypipe-night-20261123 is made\n"
    night = api.objects[f"{RAYJOBS}/raypipe-night-20261123"]
    template = api.objects[f"{RAYJOBS}/raypipe-night-template"]
    assert night["metadata"] == {
        "name": "raypipe-night-20261123",
        "namespace": "raypipe",
        "labels": {"app.kubernetes.io/part-of": "raypipe"},
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": "raypipe-night-29730330",
                "uid": "0d6f",
            }
        ],
    }
    assert night["spec"].pop("entrypoint") == (
        "raypipe run /etc/raypipe/nightly.yaml --runs-dir /data/runs --date 2026-11-23"
    )
    assert template["spec"].pop("suspend") is True
    del template["spec"]["entrypoint"]
    assert night["spec"] == template["spec"]


def test_a_second_night_of_a_date_is_no_harm(starter, apply, cluster, capsys):
    apply("nightly")
    starter()
    before = dict(cluster[1].objects)
    capsys.readouterr()
    assert starter() == 0
    assert capsys.readouterr().out == "raypipe-night-20261123 is there already\n"
    assert cluster[1].objects == before


def test_the_date_is_that_of_the_time_zone(starter, apply, cluster):
    apply("nightly")
    assert starter("--time-zone", "Europe/Berlin") == 0
    assert f"{RAYJOBS}/raypipe-night-20261124" in cluster[1].objects


def test_the_night_of_kueue_waits_in_its_queue(starter, apply, cluster, overlay):
    apply("kueue")
    (cron,) = of_kind(overlay("kueue"), "CronJob")
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert starter(*pod["containers"][0]["args"]) == 0
    night = cluster[1].objects[f"{RAYJOBS}/raypipe-night-20261123"]
    assert night["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "raypipe"


def test_the_starter_asks_for_what_its_role_allows(starter, apply, cluster, overlay):
    apply("nightly")
    cluster[1].requests.clear()
    starter()
    (role,) = of_kind(overlay("nightly"), "Role")
    get, create = role["rules"]
    assert cluster[1].requests == [
        ("GET", f"{RAYJOBS}/{get['resourceNames'][0]}"),
        ("POST", RAYJOBS),
    ]
    assert (get["verbs"], create["verbs"]) == (["get"], ["create"])


def test_without_a_template_the_starter_says_so(starter, cluster, capsys):
    assert starter() == 1
    assert "raypipe-night-template: 404" in capsys.readouterr().err


def test_with_a_wrong_token_the_starter_says_so(starter, cluster, capsys):
    cluster[1].token = "another"
    assert starter() == 1
    assert "401" in capsys.readouterr().err


def test_where_nobody_answers_the_starter_says_so(starter, capsys):
    assert starter("--time-zone", "Etc/UTC", "--server", "http://127.0.0.1:1") == 1
    assert "Connection refused" in capsys.readouterr().err
