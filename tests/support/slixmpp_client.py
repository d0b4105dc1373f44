#!/usr/bin/python3
"""An XMPP client that is not ours: says what happens, a line each, and takes commands."""

import asyncio
import logging
import sys
from pathlib import Path

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import ET

logging.basicConfig(level=logging.WARNING, stream=sys.stdout)


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, ca, cert, key):
        super().__init__(jid, "")
        self.ca_certs = Path(ca)
        self.certfile, self.keyfile = cert, key
        for plugin in ("xep_0060", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", lambda _: print("up", self.boundjid, flush=True))
        self.add_event_handler("disconnected", lambda cause: print("down", cause, flush=True))
        self.add_event_handler("pubsub_publish", self.published)
        self.add_event_handler("pubsub_retract", self.retracted)

    @staticmethod
    def published(message):
        items = message["pubsub_event"]["items"]
        for item in items["substanzas"]:
            payload = item["payload"]
            print("item", items["node"], item["id"], payload.text if payload is not None else "-", flush=True)

    @staticmethod
    def retracted(message):
        items = message["pubsub_event"]["items"]
        for item in items["substanzas"]:
            print("retract", items["node"], item["id"], flush=True)

    async def run(self, verb, to="", node="", item="", text=""):
        pubsub = self["xep_0060"]
        try:
            if verb == "ping":
                await self["xep_0199"].ping(to, timeout=10)
            elif verb == "subscribe":
                await pubsub.subscribe(to, node)
            elif verb == "unsubscribe":
                await pubsub.unsubscribe(to, node)
            elif verb == "publish":
                payload = ET.Element("{urn:weft:test}entry")
                payload.text = text
                await pubsub.publish(to, node, id=item, payload=payload)
            elif verb == "retract":
                await pubsub.retract(to, node, item)
            elif verb == "roster":
                await self.get_roster()
            print("done", verb, flush=True)
        except IqError as error:
            print("error", verb, error.iq["error"]["condition"], error.iq["error"]["text"], flush=True)
        except IqTimeout:
            print("error", verb, "timeout", flush=True)

    def command(self):
        line = sys.stdin.readline()
        if not line or line.strip() == "stop":
            self.disconnect()
        else:
            asyncio.ensure_future(self.run(*line.split()))


def main():
    jid, server, port, ca, cert, key = sys.argv[1:]
    client = Client(jid, ca, cert, key)
    client.loop.add_reader(sys.stdin, client.command)
    client.connect((server, int(port)))
    client.process(forever=False)


if __name__ == "__main__":
    main()
