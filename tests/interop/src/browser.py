"""An administrator in Debian's Chromium: adds a partner by the documented procedure, looks at every page in both languages
and several widths, and lets axe-core judge them. Prints one JSON object; any surprise is an exception."""

import json
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

URL, NAME, PASSWORD, DOMAIN, ROOTS, SHOTS = sys.argv[1:7]
WIDTHS = [360, 768, 1920]
told = {"violations": [], "sideways": [], "console": [], "outside": [], "refused_pages": [], "roles": {}}


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
    page.get_by_role("link", name="Federation and External Access").click()
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
    look(page, "partner")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Description").fill("Verona")
    page.get_by_role("button", name="Commit").click()
    told["edited"] = page.locator("tbody").inner_text()


PAGES = {
    "overview": "/", "policies": "/policies", "policy-new": "/policies/new", "settings": "/settings", "import": "/import",
    "domains": "/domains", "domain-new": "/domains/new", "publish": "/domains/contoso.example/publish",
    "trunk-new": "/trunks/new", "users": "/users", "user": "/users/alice@contoso.example", "user-new": "/users/new",
    "streams": "/streams", "reports": "/reports", "registrations": "/registrations", "administrators": "/administrators",
    "administrator-new": "/administrators/new", "tokens": "/tokens", "token-new": "/tokens/new",
    "certificates": "/certificates", "audit": "/audit", "account": "/account",
}


def every_page(page, suffix):
    """All pages that have an address of their own."""
    for name, path in PAGES.items():
        answer = page.goto(URL + path)
        if answer.status != 200:
            told["refused_pages"].append([name + suffix, answer.status])
        look(page, name + suffix)


def by_keyboard(page):
    """The skip link comes first, and what has the focus shows it."""
    page.goto(URL + "/partners")
    page.keyboard.press("Tab")
    told["first_stop"] = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    told["first_goes_to"] = page.evaluate("location.hash")
    page.goto(URL + "/users")
    page.locator("tbody th a").first.focus()
    told["rows"] = []
    for key in ["ArrowDown", "ArrowUp", "End", "Home"]:
        page.keyboard.press(key)
        told["rows"].append(page.evaluate("document.activeElement.textContent").strip())


def single_keys(page):
    """Single keys act outside of fields, are told by a list of them, and can be turned off for good."""
    page.goto(URL + "/partners")
    page.keyboard.press("?")
    page.locator("#keys[open]").wait_for()
    look(page, "keys")
    page.keyboard.press("Escape")
    page.locator("#keys[open]").wait_for(state="detached")
    page.keyboard.press("/")
    page.keyboard.type("nr?")
    told["single_keys"] = [page.locator("#q").input_value(), page.url.removeprefix(URL)]
    page.locator("#q").fill("")
    page.locator("tbody th a").first.focus()
    page.keyboard.press("Delete")
    page.wait_for_url(f"{URL}/partners/{DOMAIN}/delete")
    page.goto(URL + "/partners")
    page.keyboard.press("n")
    page.wait_for_url(URL + "/partners/new")
    page.goto(URL + "/partners")
    page.locator("#keys-open").click()
    page.locator("#keys-on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("n")
    told["single_keys"].append([page.locator("#keys[open]").count(), page.url.removeprefix(URL)])


def waiting_news(context, page):
    """A row that somebody is at does not move: what has changed is told, and shown when it is asked for."""
    page.goto(URL + "/reports")
    page.locator(".live").get_by_text("Live").wait_for()
    rows = page.locator("tbody tr")
    before = rows.count()
    page.locator("tbody a").first.focus()
    other = context.new_page()
    other.goto(f"{URL}/partners/{DOMAIN}/edit")
    other.get_by_role("button", name="Test now").click()
    other.get_by_role("button", name="Back to the form").wait_for()
    other.close()
    show = page.get_by_role("button", name="changed: show")
    show.wait_for()
    told["waiting_news"] = rows.count() - before
    show.click()
    rows.nth(before).wait_for()


def restart(page):
    """The server ends and comes back: who is signed in stays so, and the page goes on without being loaded again."""
    page.goto(URL + "/reports")
    page.locator(".live").get_by_text("Live").wait_for()
    page.evaluate("window.sameDocument = true")
    print("restart", flush=True)
    page.locator(".live .st-warn").wait_for()
    sys.stdin.readline()
    page.locator(".live .st-ok").wait_for()
    told["restarted"] = [page.evaluate("window.sameDocument === true"), page.goto(URL + "/account").status, page.url[len(URL):]]


def live(context, page):
    """The overview follows what another page does, without being loaded again."""
    page.goto(URL + "/")
    page.locator(".live").get_by_text("Live").wait_for()
    page.evaluate("window.sameDocument = true")
    other = context.new_page()
    for enabled, word in [("false", "1 Disabled"), ("true", "1 Not tried yet")]:
        other.goto(URL + "/partners")
        other.get_by_role("button", name="Disable" if enabled == "false" else "Enable").click()
        page.locator("#figures").get_by_text(word).wait_for()
    other.close()
    look(page, "overview-live")
    told["live"] = page.evaluate("window.sameDocument === true")
    page.goto(URL + "/partners")
    page.locator("tbody tr td").first.dblclick()
    page.wait_for_url(f"{URL}/partners/{DOMAIN}/edit")
    page.get_by_label("Description").fill("By keyboard")
    page.keyboard.press("Control+Enter")
    told["by_keyboard"] = page.locator("tbody").inner_text()


def as_role(browser, name):
    """What another role sees: everything that it may, the rest disabled or refused."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20000)
    page.goto(URL + "/login")
    page.fill("#name", name)
    page.fill("#pw", PASSWORD)
    page.press("#pw", "Enter")
    page.goto(URL + "/partners")
    refused = [path for path in PAGES.values() if page.goto(URL + path).status != 200]
    page.goto(URL + "/partners")
    told["roles"][name] = [page.get_by_role("button", name="New", exact=True).is_disabled(), refused]
    context.close()


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
    by_keyboard(page)
    single_keys(page)
    waiting_news(context, page)
    restart(page)
    live(context, page)
    every_page(page, "")
    page.get_by_role("link", name="한국어").click()
    page.goto(URL + "/partners")
    told["korean"] = [page.locator("html").get_attribute("lang"), page.locator("h1").inner_text()]
    look(page, "partners-ko")
    page.goto(URL + "/partners/new")
    look(page, "partner-new-ko")
    page.goto(f"{URL}/partners/{DOMAIN}/delete")
    look(page, "partner-delete-ko")
    every_page(page, "-ko")
    page.emulate_media(color_scheme="dark")
    page.goto(URL + "/partners")
    look(page, "partners-ko-dark")
    every_page(page, "-ko-dark")
    for role in ["user-administrator", "help-desk", "viewer"]:
        as_role(browser, role)
    browser.close()

print(json.dumps(told), flush=True)
