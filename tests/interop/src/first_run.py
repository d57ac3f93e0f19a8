"""A newcomer in Debian's Chromium: the link that `legation init` has printed, four stages, a partner tested and committed.
Prints one JSON object; any surprise is an exception."""

import json
import sys
import time

from playwright.sync_api import sync_playwright

LINK, PARTNER, SHOTS = sys.argv[1:4]
PASSWORD = "correct horse battery"
told = {"stages": []}


def stage(page, name):
    told["stages"].append(page.locator("[aria-current=step]").inner_text())
    if SHOTS != "-":
        page.screenshot(path=f"{SHOTS}/first-run-{name}.png")


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20000)
    started = time.monotonic()
    page.goto(LINK)
    stage(page, "administrator")
    page.fill("#name", "newcomer")
    page.fill("#pw", PASSWORD)
    page.fill("#again", PASSWORD)
    page.get_by_role("button", name="Continue").click()
    stage(page, "domain")
    page.get_by_role("button", name="Continue").click()
    stage(page, "publish")
    told["published"] = page.locator("main").inner_text()
    page.get_by_role("link", name="4. First partner").click()
    page.get_by_label("Primary domain").fill(PARTNER)
    page.check("input[name=partner_type][value=federated]")
    page.check("input[name=sasl][value=not_supported]")
    page.get_by_role("button", name="Test now").click()
    page.get_by_text("Settings that would fit").wait_for()
    told["tested"] = page.locator("main").inner_text()
    page.get_by_role("button", name="Back to the form").click()
    page.get_by_role("button", name="Commit").click()
    told["saved"] = page.locator(".banner").inner_text()
    told["seconds"] = round(time.monotonic() - started, 1)
    answer = page.goto(LINK)
    told["again"] = answer.status
    browser.close()

print(json.dumps(told), flush=True)
