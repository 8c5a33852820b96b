"""Clients that reject, block, follow and read at once, and what they saw that must not be."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple

from raypipe.storage.feedback.quick_read import feedback_of
from tests.serving.http.builders import in_path

#: Most candidates that one account puts away, so that its list does not become empty.
_MOST = 20


class Seen(NamedTuple):
    """What the clients saw.

    Attributes:
        leaks: rows that were shown after the account had put them away.
        mixed: chains of pages of more than one run.
        gone: what was acknowledged, by account.
        seconds: of each answer that came.
        status: of each answer that came.
        answered: is released at each of them.
    """

    leaks: list
    mixed: list
    gone: dict
    seconds: list
    status: list
    answered: threading.Semaphore

    def wait_for_answers(self, count):
        """Waits until so many more have come."""
        for _ in range(count):
            assert self.answered.acquire(timeout=60)

    def lost(self, url):
        """What was acknowledged, and is not in the store."""
        lost = []
        for account, names in self.gone.items():
            rejected, marked = feedback_of(url, account)
            lost += [(account, name) for name in names if name not in {*rejected, *marked}]
        return lost


@contextmanager
def crowd(urls, accounts, headers, clients=8):
    """Asks these servers until the block ends; each client is some of the accounts."""
    seen, stop = Seen([], [], {}, [], [], threading.Semaphore(0)), threading.Event()
    threads = [
        threading.Thread(target=_client, args=(url, accounts[n::clients], headers, n, seen, stop))
        for n, url in zip(range(clients), itertools.cycle(urls), strict=False)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _client(url, accounts, headers, seed, seen, stop):
    draw = random.Random(seed)
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)

    def ask(method, path):
        started = time.monotonic()
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        seen.seconds.append(time.monotonic() - started)
        seen.status.append(answer.status)
        seen.answered.release()
        return body if answer.status == 200 else None

    while not stop.is_set():
        try:
            _turn(ask, draw.choice(accounts), draw, seen)
        except (OSError, http.client.HTTPException):  # its worker was killed; ask another
            connection.close()
    connection.close()


def _turn(ask, account, draw, seen):
    """Reads the pages of an account, and puts some rows away."""
    path, gone = f"/v1/accounts/{in_path(account)}", seen.gone.setdefault(account, set())
    query, runs = "?limit=4", set()
    while query and (page := ask("GET", f"{path}/recommendations{query}")):
        shown = [row["candidateId"] for row in page["recommendations"]]
        seen.leaks.extend((account, name) for name in shown if name in gone)
        runs.add(page["run"])
        if len(runs) > 1:
            seen.mixed.append((account, runs))
        query = page["next"] and f"?limit=4&cursor={page['next']}"
        if shown and draw.random() < 0.3 and len(gone) < _MOST:
            name, what = draw.choice(shown), draw.choice(["rejections", "blocks", "follows"])
            if ask("PUT", f"{path}/{what}/{in_path(name)}"):
                gone.add(name)
