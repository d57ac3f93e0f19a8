"""An XMPP client on slixmpp: JSON lines in, JSON lines out.

in:  {"to": "alice@contoso.example", "body": "...", "id": "..."} | {"raw": "<stanza/>"}
out: {"event": "ready"} | {"event": "roster", "type": <subscription>, "from": <contact>} | {"event": "message" | "presence" | "iq", "type": ..., "from": ..., "id": ..., "body": ...,
     "condition": ..., "text": ..., "xml": ...} | {"event": "failed", "reason": ...}
"""

import asyncio
import json
import sys

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath


def out(**fields):
    print(json.dumps(fields), flush=True)


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password):
        super().__init__(jid, password)
        self["feature_mechanisms"].unencrypted_plain = True
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("failed_all_auth", lambda _: out(event="failed", reason="authentication"))
        self.add_event_handler("disconnected", lambda reason: out(event="failed", reason=str(reason)))
        self.add_event_handler("connection_failed", lambda reason: out(event="failed", reason=str(reason)))
        # Requests are left to slixmpp, which answers them.
        for path in ("message", "presence", "iq@type=result", "iq@type=error"):
            self.register_handler(Callback(f"every {path}", StanzaPath(path), self.received))

        self.add_event_handler("roster_update", self.listed)
        # Says that a message has come if its sender asks (XEP-0184).
        self.register_plugin("xep_0184")

    def listed(self, push):
        for item in push.xml.iter("{jabber:iq:roster}item"):
            out(event="roster", type=item.get("subscription"), **{"from": item.get("jid")})

    def started(self, _):
        self.send_presence()
        out(event="ready", jid=self.boundjid.full)

    def received(self, stanza):
        error = stanza["error"] if stanza["type"] == "error" else None
        out(
            event=stanza.name,
            type=stanza["type"],
            id=stanza["id"],
            to=stanza["to"].full,
            body=stanza["body"],
            condition=error["condition"] if error else None,
            text=error["text"] if error else None,
            xml=str(stanza),
            **{"from": stanza["from"].full},
        )

    def told(self, line):
        order = json.loads(line)
        if "raw" in order:
            self.send_raw(order["raw"])
            return
        message = self.make_message(mto=order["to"], mbody=order["body"], mtype="chat")
        message["id"] = order["id"]
        message.send()


async def listen(client):
    reader = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        client.told(line)
    client.disconnect()


jid, password, host, port = sys.argv[1:5]
client = Client(jid, password)
client.connect(address=(host, int(port)), force_starttls=False, disable_starttls=True)
# The loop itself keeps no task alive.
listening = client.loop.create_task(listen(client))
client.loop.run_forever()
