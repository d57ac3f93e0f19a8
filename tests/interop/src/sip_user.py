"""A SIP user that sends many messages and loses sight of none (RFC 3261, RFC 3428, RFC 2617): JSON lines in, JSON lines out.

TCP, one connection; MD5 digest. Every request is answered once, every MESSAGE that comes in is answered 200.

in:  {"to": "juliet@fabrikam.example", "id": "...", "body": "..."}
out: {"event": "ready"} | {"event": "answer", "id": ..., "status": ..., "reason": ...} | {"event": "message", "from": ...,
     "body": ...} | {"event": "failed", "reason": ...}
"""

import asyncio
import hashlib
import json
import re
import sys


def out(**fields):
    print(json.dumps(fields), flush=True)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class User:
    def __init__(self, address, password, reader, writer):
        self.address, self.password, self.reader, self.writer = address, password, reader, writer
        self.name, self.domain = address.split("@")
        self.here = "%s:%d" % writer.get_extra_info("sockname")[:2]
        self.challenge, self.count, self.sequence = None, 0, 0
        self.pending = {}

    def credentials(self, method, uri):
        if self.challenge is None:
            return ""
        self.count += 1
        realm, nonce, count, client = self.challenge["realm"], self.challenge["nonce"], "%08x" % self.count, "c0ffee"
        secret = md5(f"{self.name}:{realm}:{self.password}")
        response = md5(f"{secret}:{nonce}:{count}:{client}:auth:" + md5(f"{method}:{uri}"))
        return (
            f'{self.challenge["header"]}: Digest username="{self.name}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc={count}, cnonce="{client}"\r\n'
        )

    def request(self, method, uri, to, fields, body, done):
        self.sequence += 1
        branch = f"z9hG4bK{self.sequence}"
        self.pending[branch] = (method, uri, to, fields, body, done)
        text = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {self.here};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{self.address}>;tag={self.name}{self.sequence}\r\nTo: <{to}>\r\n"
            f"Call-ID: {branch}@{self.here}\r\nCSeq: {self.sequence} {method}\r\n{fields}"
            f"{self.credentials(method, uri)}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )
        self.writer.write(text.encode())

    def register(self, done):
        fields = f"Contact: <sip:{self.name}@{self.here};transport=tcp>\r\nExpires: 3600\r\n"
        self.request("REGISTER", f"sip:{self.domain}", f"sip:{self.address}", fields, "", done)

    def message(self, order):
        uri = "sip:" + order["to"]
        done = lambda status, reason: out(event="answer", id=order["id"], status=status, reason=reason)
        self.request("MESSAGE", uri, uri, "Content-Type: text/plain\r\n", order["body"], done)

    def answered(self, start, head):
        status, reason = int(start.split(" ", 2)[1]), start.split(" ", 2)[2]
        branch = re.search(r"^Via:.*branch=([^;\s]+)", head, re.M | re.I).group(1)
        if status < 200 or branch not in self.pending:
            return
        method, uri, to, fields, body, done = self.pending.pop(branch)
        asked = re.search(r"^(WWW|Proxy)-Authenticate: Digest (.*)$", head, re.M | re.I)
        if status in (401, 407) and asked:
            header = "Authorization" if status == 401 else "Proxy-Authorization"
            values = dict(re.findall(r'(\w+)="([^"]*)"', asked.group(2)))
            if self.challenge is None or values["nonce"] != self.challenge["nonce"]:
                self.challenge, self.count = {"header": header, **values}, 0
            self.request(method, uri, to, fields, body, done)
            return
        done(status, reason)

    def asked(self, start, head, body):
        keep = [line for line in head.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line, re.I)]
        answer = "\r\n".join(["SIP/2.0 200 OK", *keep, "Content-Length: 0", "", ""])
        self.writer.write(answer.encode())
        if start.startswith("MESSAGE "):
            sender = re.search(r"^From:.*<sip:([^>;]+)", head, re.M | re.I).group(1)
            out(event="message", body=body, **{"from": sender})

    async def listen(self):
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lstrip("\r\n")
            length = re.search(r"^(?:Content-Length|l): *(\d+)", head, re.M | re.I)
            body = (await self.reader.readexactly(int(length.group(1)) if length else 0)).decode()
            start, head = head.split("\r\n", 1)
            if start.startswith("SIP/2.0 "):
                self.answered(start, head)
            else:
                self.asked(start, head, body)


async def main(address, password, host, port):
    user = User(address, password, *await asyncio.open_connection(host, int(port)))
    user.register(lambda status, reason: out(event="ready" if status == 200 else "failed", reason=f"{status} {reason}"))
    orders = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def obey():
        while line := await orders.readline():
            user.message(json.loads(line))

    await asyncio.wait([asyncio.ensure_future(user.listen()), asyncio.ensure_future(obey())], return_when="FIRST_COMPLETED")
    out(event="failed", reason="the connection ended")


asyncio.run(main(*sys.argv[1:]))
