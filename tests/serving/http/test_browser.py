"""The pages in a browser: without barriers, by keyboard, light, and when the server dies."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from raypipe.serving.http.access import add_token
from tests.conftest import needed
from tests.serving.http.builders import in_path, make_night, plain_accounts, serving, write_follows

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
#: Milliseconds until the largest thing of a page is painted.
_LARGEST_PAINT = """() => new Promise(done => new PerformanceObserver(
  list => done(list.getEntries().at(-1).startTime)
).observe({type: "largest-contentful-paint", buffered: true}))"""
#: What can be reached with the keyboard, and what has the focus, each as a number in the page.
_REACHABLE = "a[href], button, input:not([type=hidden]), summary, [tabindex='0']"
_FOCUSED = f"[...document.querySelectorAll({_REACHABLE!r})].indexOf(document.activeElement)"


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    needed(program is not None, "no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_follows(folder)
    make_night(folder, **{"recommendations.per_account": 10})
    make_night(folder, "2026-03-02", **{"recommendations.per_account": 10})
    return folder


@pytest.fixture(scope="module")
def people(folder):
    """Each test takes an account of its own."""
    return iter(plain_accounts(folder))


@pytest.fixture(scope="module")
def client(folder, people):
    names = [f"{name},{'The very long name of ' * 3}{name}" for name in ("star-01", "star-02")]
    (folder / "names.csv").write_text("\n".join(["accountId,name", *names]))
    with serving(folder, "--names", str(folder / "names.csv")) as (_, client):
        yield client


@contextmanager
def opened(browser, client, **options):
    """A page of a new visitor, which reports nothing wrong."""
    wrong = []
    base = str(client.base_url)
    with browser.new_context(base_url=base, **options) as visitor:
        page = visitor.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda it: it.type in ("error", "warning") and wrong.append(it.text))
        yield page
    # A page that is not there is an error to the browser.
    assert [text for text in wrong if "404" not in text and "ERR_" not in text] == []


def row_names(page):
    return page.locator(".people h2").all_inner_texts()


def tab_to(page, name, back=False):
    """Press Tab until what is called so has the focus."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = page.locator(":focus")
        if focused.count() and name in (focused.get_attribute("aria-label"), focused.inner_text()):
            return
    raise AssertionError(f"the keyboard does not reach {name!r}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_and_nothing_is_cut_off(browser, client, people, scheme, width):
    account, emptied = next(people), next(people)
    home = f"/accounts/{account}"
    path = f"/v1/accounts/{emptied}"
    while rows := client.get(f"{path}/recommendations").json()["recommendations"]:
        for row in rows:
            client.put(f"{path}/blocks/{in_path(row['candidateId'])}").raise_for_status()
    with opened(
        browser, client, color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as page:

        def check(state):
            found = Axe().run(page).response["violations"]
            assert [(state, rule["id"], rule["nodes"][0]["target"]) for rule in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width, state

        for url in (
            "/", "/login", "/runs", "/docs", "/nothing", home, "/accounts/nobody", f"{home}/hidden",
            f"{home}/why", f"{home}/why?candidate=star-01", f"{home}/why?candidate=missing",
            f"/accounts/{emptied}",
        ):  # fmt: skip
            page.goto(url)
            check(url)
        expect(page.locator(".empty")).to_be_visible()
        page.goto(home)
        page.get_by_role("button", name="again").first.click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        check("dismissed")
        page.goto(f"{home}/hidden")
        expect(page.locator(".people li")).to_have_count(1)
        check("hidden")
        page.route("**/reject", lambda route: route.abort())
        page.goto(home)
        page.get_by_role("button", name="again").first.click()
        expect(page.get_by_role("alert")).to_be_visible()
        check("failed")


def test_everything_is_done_by_keyboard_and_focus_goes_to_the_next_row(browser, client, people):
    account = next(people)
    with opened(browser, client) as page:
        page.goto("/")
        tab_to(page, "")  # the field
        page.keyboard.type(account)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/accounts/{account}")
        before = row_names(page)
        tab_to(page, f"Do not show {before[1]} again")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("will not be shown again")
        after = row_names(page)
        assert len(after) == len(before)  # the row is replaced
        assert after[:-1] == [before[0], *before[2:]]
        expect(page.locator(":focus")).to_have_attribute("aria-label", f"Follow {before[2]}")
        tab_to(page, "Undo", back=True)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("may be shown again")
        assert row_names(page) == before
        expect(page.locator("h1")).to_be_focused()
        tab_to(page, f"Follow {before[0]}")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"You follow {before[0]}")
        tab_to(page, "Do not suggest me to others")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("You are not suggested")
        tab_to(page, f"Why {before[1]}?")
        page.keyboard.press("Enter")
        expect(page.locator("section")).to_contain_text("It is suggested to you")
        for url in (f"/accounts/{account}", "/runs", "/login"):
            page.goto(url)
            visited = []
            while (place := page.evaluate(_FOCUSED)) not in visited[1:]:
                visited.append(place)
                page.keyboard.press("Tab")
            count = page.locator(_REACHABLE).locator("visible=true").count()
            assert len({*visited} - {-1}) == count, url


def test_a_page_is_small_and_painted_at_once(browser, client, people):
    with opened(browser, client) as page:
        sizes = []
        page.on("response", lambda answer: sizes.append(len(answer.body())))
        page.goto(f"/accounts/{next(people)}")
        assert page.evaluate(_LARGEST_PAINT) < 1000
        page.wait_for_load_state("networkidle")
        assert len(sizes) >= 3
        assert sum(sizes) < 100_000


def test_without_a_script_buttons_work(browser, client, people):
    with opened(browser, client, java_script_enabled=False) as page:
        page.goto(f"/accounts/{next(people)}")
        before = row_names(page)
        page.get_by_role("button", name=f"Do not show {before[0]} again").click()
        expect(page.get_by_role("status")).to_contain_text("will not be shown again")
        assert before[0] not in row_names(page)
        page.get_by_role("button", name="Undo").click()
        assert row_names(page) == before


def test_a_server_killed_in_mid_click_is_told_and_the_row_stays(browser, folder, people):
    with serving(folder) as (process, client), opened(browser, client) as page:
        page.goto(f"/accounts/{next(people)}")
        before = row_names(page)
        os.kill(process.pid, signal.SIGSTOP)
        button = page.get_by_role("button", name=f"Do not show {before[0]} again")
        with page.expect_request("**/reject"):
            button.click()
        os.kill(process.pid, signal.SIGKILL)
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        assert row_names(page) == before
        expect(button).to_be_focused()
        expect(button).to_be_enabled()


def test_a_token_is_a_login(browser, folder, people):
    account = next(people)
    token = add_token(folder / "tokens", ["read", "write"], account, "person")
    with (
        serving(folder, "--tokens", str(folder / "tokens")) as (_, client),
        opened(browser, client) as page,
    ):
        page.goto(f"/accounts/{account}")
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/accounts/{account}")
        shown = row_names(page)
        page.get_by_role("button", name=f"Follow {shown[0]}", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("You follow")
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
