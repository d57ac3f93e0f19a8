"""Asks the admin plane for everything without a credential that is worth anything; prints status and place of each answer."""

import http.client
import ssl
import sys

HOST = sys.argv[1]
ZEROS = "0" * 64
ASKED = [
    ("GET", "/api/v1/partners", {}),
    ("GET", "/api/v1/nothing", {}),
    ("DELETE", "/api/v1/partners/x.example", {}),
    ("POST", "/api/v1/tokens", {"Authorization": "Bearer legation_" + ZEROS}),
    ("GET", "/api/v1/partners", {"Authorization": "Basic cm9vdDo="}),
    ("GET", "//api/v1/partners", {}),
    ("GET", "/assets/../api/v1/partners", {}),
    ("GET", "/partners", {}),
    ("GET", "/partners", {"Cookie": "__Host-legation=" + ZEROS}),
    ("POST", "/partners/new", {"Origin": "https://" + HOST, "Sec-Fetch-Site": "same-origin"}),
    ("POST", "/login", {"Origin": "https://evil.example"}),
]

for method, path, headers in ASKED:
    connection = http.client.HTTPSConnection(HOST, context=ssl._create_unverified_context(), timeout=10)
    connection.request(method, path, body=b"{}", headers=headers)
    answer = connection.getresponse()
    print(answer.status, answer.headers.get("location", ""))
