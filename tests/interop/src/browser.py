"""An administrator in Debian's Chromium: adds a partner by the documented procedure, looks at every page in both languages
and several widths, and lets axe-core judge them. Prints one JSON object; any surprise is an exception."""

import json
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

URL, NAME, PASSWORD, DOMAIN, ROOTS, SHOTS = sys.argv[1:7]
WIDTHS = [360, 768, 1920]
told = {"violations": [], "sideways": [], "console": [], "outside": []}


def look(page, name):
    """Accessibility and width of the page as it is."""
    result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    for violation in result.response["violations"]:
        targets = [node["target"] for node in violation["nodes"]]
        told["violations"].append([name, violation["id"], targets])
    size = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            told["sideways"].append([name, width])
    page.set_viewport_size(size)
    if SHOTS != "-":
        page.screenshot(path=f"{SHOTS}/{name}.png")


def sign_in(page, password):
    page.goto(URL + "/")
    page.fill("#name", NAME)
    page.fill("#pw", password)
    page.press("#pw", "Enter")


def procedure(page):
    """XMPP Federated Partners, New, all fields, SASL required with TLS not supported, Commit, remedy, Commit."""
    page.get_by_role("link", name="XMPP Federated Partners").first.click()
    page.get_by_role("link", name="New", exact=True).click()
    look(page, "partner-new")
    page.get_by_label("Primary domain").fill(DOMAIN)
    page.get_by_label("Description").fill("<script>alert(1)</script> Capulet & sons")
    page.check("input[name=partner_type][value=federated]")
    page.check("input[name=tls][value=not_supported]")
    page.check("input[name=sasl][value=required]")
    page.check("input[name=dialback][value=false]")
    page.get_by_label("Trusted roots").fill(open(ROOTS, encoding="utf-8").read())
    page.get_by_role("button", name="Commit").click()
    told["refused"] = [page.title(), page.locator("#problem").inner_text()]
    look(page, "partner-refused")
    page.get_by_role("button", name="Set TLS negotiation to Required").click()
    page.get_by_role("button", name="Test now").click()
    page.get_by_role("button", name="Fill in").first.wait_for()
    told["tested"] = page.locator("main").inner_text()
    look(page, "probe")
    page.get_by_role("button", name="Back to the form").click()
    told["kept"] = [page.input_value("#primary_domain"), page.input_value("#description")]
    page.get_by_role("button", name="Commit").click()
    told["saved"] = page.locator(".banner").inner_text()
    look(page, "partners")
    page.get_by_role("link", name=DOMAIN).first.click()
    page.get_by_label("Description").fill("Verona")
    page.get_by_role("button", name="Commit").click()
    told["edited"] = page.locator("tbody").inner_text()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20000)
    page.on("pageerror", lambda error: told["console"].append(str(error)))
    page.on("console", lambda message: told["console"].append(message.text) if "Security Policy" in message.text else None)
    page.on("request", lambda request: None if request.url.startswith(URL) else told["outside"].append(request.url))
    sign_in(page, "not the password")
    told["wrong"] = page.locator(".banner").inner_text()
    look(page, "login")
    sign_in(page, PASSWORD)
    procedure(page)
    page.get_by_role("link", name="한국어").click()
    told["korean"] = [page.locator("html").get_attribute("lang"), page.locator("h1").inner_text()]
    look(page, "partners-ko")
    page.goto(URL + "/partners/new")
    look(page, "partner-new-ko")
    page.goto(f"{URL}/partners/{DOMAIN}/delete")
    look(page, "partner-delete-ko")
    page.emulate_media(color_scheme="dark")
    page.goto(URL + "/partners")
    look(page, "partners-ko-dark")
    browser.close()

print(json.dumps(told), flush=True)
