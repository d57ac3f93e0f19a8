"""An XMPP component (XEP-0114) on slixmpp: JSON lines in, JSON lines out.

in:  {"to": ..., "from": ..., "id": ..., "body": ...} | {"raw": "<stanza/>"} | {"read": true | false}
out: {"event": "ready"} | {"event": "message" | "presence", "type": ..., "from": ..., "to": ..., "id": ..., "body": ...,
     "condition": ..., "text": ...} | {"event": "failed", "reason": ...}

It accepts every subscription request.
"""

import asyncio
import json
import sys

from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath


STANZA_ERROR = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


def out(**fields):
    print(json.dumps(fields), flush=True)


class Component(ComponentXMPP):
    def __init__(self, domain, secret, host, port):
        super().__init__(domain, secret, host, port)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.auto_authorize = True
        self.auto_subscribe = False
        self.add_event_handler("session_start", lambda _: out(event="ready"))
        self.add_event_handler("stream_error", lambda error: out(event="failed", reason=error["condition"]))
        self.add_event_handler("disconnected", lambda reason: out(event="failed", reason=str(reason)))
        self.add_event_handler("connection_failed", lambda reason: out(event="failed", reason=str(reason)))
        for name in ("message", "presence"):
            self.register_handler(Callback(f"every {name}", StanzaPath(name), self.received))

    def received(self, stanza):
        # slixmpp itself looks for errors of clients' streams only.
        words = [part for part in stanza.xml.iter() if part.tag.startswith(STANZA_ERROR)]
        error = {part.tag[len(STANZA_ERROR) :]: part.text for part in words} if stanza["type"] == "error" else {}
        out(
            event=stanza.name,
            type=stanza["type"],
            id=stanza["id"],
            to=stanza["to"].full,
            body=stanza["body"],
            condition=next((name for name in error if name != "text"), None),
            text=error.get("text"),
            **{"from": stanza["from"].full},
        )

    def told(self, line):
        order = json.loads(line)
        if "raw" in order:
            self.send_raw(order["raw"])
        elif "read" in order:
            self.transport.resume_reading() if order["read"] else self.transport.pause_reading()
            out(event="reads" if order["read"] else "pauses")
        else:
            message = self.make_message(mto=order["to"], mfrom=order["from"], mbody=order["body"], mtype="chat")
            message["id"] = order["id"]
            message.send()


async def listen(component):
    reader = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        component.told(line)
    component.disconnect()


domain, secret, host, port = sys.argv[1:5]
component = Component(domain, secret, host, int(port))
component.connect()
# The loop itself keeps no task alive.
listening = component.loop.create_task(listen(component))
component.loop.run_forever()
