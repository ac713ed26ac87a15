"""aioquic as a well-behaved HTTP/3 client: requests, early data, a client that moves."""

import asyncio
import socket

from aioquic.quic import events

from http3 import STUCK, Connection, DATA, configuration, frame, head, headers

BODY = b"0123456789" * 3000


class Client(Connection):
    early_data_accepted = None

    def quic_event_received(self, event):
        if isinstance(event, events.HandshakeCompleted):
            self.early_data_accepted = event.early_data_accepted
        super().quic_event_received(event)

    async def fetch(self, fields, body=b""):
        """Status and body of an answer."""
        payload = headers(fields) + (frame(DATA, body) if body else b"")
        status, _, answer = await self.answered(self.ask(payload))
        return status, answer


async def asks():
    client = await Client.greeted()
    assert await client.fetch(head()) == (200, b"hello")
    told = [("content-length", str(len(BODY)))]
    assert await client.fetch(head("/echo", "POST", told), BODY) == (200, BODY)
    assert (await client.fetch(head("/nowhere")))[0] == 404
    client.leave()
    print("asked and was answered")


async def asks_early(fields, expected):
    """Comes back with a request in its first packet."""
    tickets = []
    first = await Client.greeted(tickets=tickets.append)
    assert await first.fetch(head()) == (200, b"hello")
    await first.wait(lambda: tickets)
    first.leave()
    again = await Client.open(early=True, options=configuration(session_ticket=tickets[0]))
    again.greet()
    status, _ = await again.fetch(fields)
    await again.turn()
    assert again.early_data_accepted, "the early data was not taken"
    assert status in expected, (fields, status)
    # The same is served once the handshake is over.
    assert (await again.fetch(fields))[0] == 200
    again.leave()
    print(f"early {fields[0][1]}: {status}")


async def moves():
    """The client's address changes in the midst of a connection."""
    client = await Client.greeted()
    before = await client.fetch(head("/peer"))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    here = "127.0.0.1:%d" % sock.getsockname()[1]
    old = client._transport
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: client, sock=sock)
    client.change_connection_id()
    # The first requests may still be told of the old address; the path is being tested.
    async with asyncio.timeout(STUCK):
        while (after := await client.fetch(head("/peer"))) == before:
            pass
    old.close()
    assert after == (200, here.encode()), (before, after, here)
    assert await client.fetch(head()) == (200, b"hello")
    client.leave()
    print("moved")


async def main():
    await asks()
    await asks_early(head(), {200})
    # Put off, or looked at when the handshake was over already.
    await asks_early(head(method="POST", path="/echo"), {200, 425})
    await asks_early(head(more=[("authorization", "Basic x")]), {200, 425})
    await moves()


asyncio.run(main())
