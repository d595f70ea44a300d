"""In a real browser: a clinician's way through the pages, and whether everybody can use them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.clinic.web.clinic_example import PASSWORD, SICK, key_of, record
from tests.clinic.web.test_worklist import diabetic

from consilience.clinic.application import application

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
REASON = "Patient declines"


@contextmanager
def served(clinic: Any) -> Iterator[str]:
    """Serve a clinic on a free port of this machine."""
    import uvicorn

    config = uvicorn.Config(application(clinic), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium(browser: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=browser, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def address(seeded, clock) -> Iterator[str]:
    """Serve patients with a trend, advice, a name that is a script, and silence."""
    clock.on(days=20)
    changed = diabetic(record(at=clock(), **{**SICK, "labs__LDH": 380.0}))
    seeded.consult("local", "clinician", changed)
    evil = "Eve <script>document.title='run'</script>"
    seeded.consult("local", "clinician", record("p5", evil, at=clock(), **SICK))
    seeded.consult("local", "clinician", record("p6", "Silent One", born=""))
    with served(seeded) as found:
        yield found


def sign_in(page: Any, address: str, name: str) -> None:
    page.goto(f"{address}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)


def test_a_clinician_reads_overrides_and_the_auditor_finds_it(chromium, address) -> None:
    context = chromium.new_context()
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, address, "clinician")
    assert page.url.endswith("/worklist")
    page.get_by_role("link", name="Ada Example").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ada Example"
    why = page.get_by_role("region", name="Why")
    assert "LDH 380 U/L" in why.inner_text() and why.locator("svg.diverging").count() > 2
    card = page.locator(".advice > li").filter(has_text="HbA1c is due")
    card.locator("summary").filter(has_text="Override").click()
    card.get_by_label("Why not").select_option(REASON)
    card.get_by_label("In your words").fill("Will come in May.")
    card.get_by_role("button", name="Override").click()
    said = card.get_by_text("Overridden by clinician").inner_text()
    assert REASON in said and "Will come in May." in said
    page.goto(f"{address}/worklist")
    page.get_by_role("link", name="Eve").click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Eve <script>")
    assert "run" not in page.title()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")

    sign_in(page, address, "auditor")
    row = page.get_by_role("row").filter(has_text="advice overridden")
    assert "Ada Example" in row.inner_text() and "Will come in May." in row.inner_text()
    assert page.get_by_text("Chain verified").is_visible()
    assert complaints == []
    context.close()


def test_the_way_is_open_to_the_keyboard(chromium, address) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("clinician")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/worklist")
    page.get_by_role("link", name="Ada Example").focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.wait_for_url("**/patients/*")
    override = page.locator(".advice details").filter(has_text="Override").first
    override.locator("summary").focus()
    page.keyboard.press("Enter")
    assert override.get_by_label("Why not").is_visible()
    assert outline == "solid"
    context.close()


def places(clinic: Any) -> dict[str, str]:
    found = {"patient": f"/patients/{key_of(clinic, 'p1')}"}
    found |= {"silent": f"/patients/{key_of(clinic, 'p6')}"}
    names = ("worklist", "practice", "upload", "model", "audit", "users", "password")
    return found | {name: f"/{name}" for name in names} | {"lost": "/patients/none"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, address, seeded, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe is not installed")
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True)
    page, found = context.new_page(), {}

    def look(name: str) -> None:
        for part in page.locator("details").all():
            part.evaluate("part => { part.open = true }")
        result = axe.Axe().run(page)
        assert result["passes"]
        found.update(
            {
                (name, one["id"]): [node["html"][:200] for node in one["nodes"]]
                for one in result["violations"]
                if one["impact"] in ("serious", "critical", "moderate")
            }
        )

    page.goto(f"{address}/sign-in")
    look("sign-in")
    sign_in(page, address, "administrator")
    for name, path in places(seeded).items():
        page.goto(address + path)
        look(name)
    assert found == {}
    context.close()


def test_a_narrow_phone_needs_no_sideways_scrolling(chromium, address, seeded) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    sign_in(page, address, "administrator")
    for name, path in places(seeded).items():
        page.goto(address + path)
        for part in page.locator("details").all():
            part.evaluate("part => { part.open = true }")
        widths = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert widths[0] <= widths[1], name
        small = page.evaluate(
            """[...document.querySelectorAll('main button, main select, .filters a')]
            .filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)
            .map(e => e.textContent)"""
        )
        assert small == [], name
    context.close()


def test_times_are_told_by_the_readers_clock_beside_utc(chromium, address, seeded) -> None:
    context = chromium.new_context(timezone_id="Europe/Berlin", locale="en-GB")
    page = context.new_page()
    sign_in(page, address, "clinician")
    page.goto(address + places(seeded)["patient"])
    shown = page.locator("time").last.inner_text()
    assert "22 Mar 2026, 10:30" in shown and "22 Mar 2026, 09:30 UTC" in shown
    context.close()


def test_pages_work_without_script(chromium, address, seeded) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, address, "clinician")
    page.goto(address + places(seeded)["patient"])
    page.get_by_role("button", name="Accept").first.click()
    assert page.get_by_text("Accepted by clinician").first.is_visible()
    context.close()
