"""The hash that slixmpp makes of the answer to disco#info (XEP-0115 §5.1): the answer is the argument."""

import sys
import xml.etree.ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.stanza import Iq

client = ClientXMPP("nobody@example.org", "")
client.register_plugin("xep_0115")
answer = Iq(client, xml=ET.fromstring(sys.argv[1]))
print(client["xep_0115"].generate_verstring(answer["disco_info"], "sha-1"))
