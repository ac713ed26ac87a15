"""HTTP/3 by hand on aioquic's QUIC: whatever bytes on whatever stream, and what comes back."""

import asyncio
import socket
import ssl

import pylsqpack
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.buffer import Buffer, encode_uint_var
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from orders import STUCK, peer

DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID = 0, 1, 3, 4, 5, 7, 0xD
CONTROL, PUSH, QPACK_ENCODER, QPACK_DECODER = 0, 1, 2, 3
NAMES = (
    "NO_ERROR GENERAL_PROTOCOL_ERROR INTERNAL_ERROR STREAM_CREATION_ERROR CLOSED_CRITICAL_STREAM "
    "FRAME_UNEXPECTED FRAME_ERROR EXCESSIVE_LOAD ID_ERROR SETTINGS_ERROR MISSING_SETTINGS "
    "REQUEST_REJECTED REQUEST_CANCELLED REQUEST_INCOMPLETE MESSAGE_ERROR CONNECT_ERROR VERSION_FALLBACK"
).split()
ERRORS = {0x100 + place: name for place, name in enumerate(NAMES)} | {
    0x200: "QPACK_DECOMPRESSION_FAILED",
    0x201: "QPACK_ENCODER_STREAM_ERROR",
    0x202: "QPACK_DECODER_STREAM_ERROR",
}


def varint(*numbers):
    return b"".join(encode_uint_var(number) for number in numbers)


def frame(kind, payload=b""):
    return varint(kind, len(payload)) + payload


def head(path="/hello", method="GET", more=()):
    return [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *more]


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


def prefixed(first, bits, number):
    """A number in QPACK's coding, behind the high bits of its first octet."""
    limit = (1 << bits) - 1
    if number < limit:
        return bytes([first | number])
    coded, number = [first | limit], number - limit
    while number >= 0x80:
        coded.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*coded, number])


def block(fields):
    """Literals alone, so that nothing is checked and everything is as long as it looks."""
    lines = (
        prefixed(0x20, 3, len(name)) + name + prefixed(0, 7, len(value)) + value
        for name, value in ((octets(name), octets(value)) for name, value in fields)
    )
    return b"\0\0" + b"".join(lines)


def headers(fields=None):
    return frame(HEADERS, block(fields or head()))


def configuration(**options):
    trusted = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="localhost", **options)
    trusted.load_verify_locations(peer["certificate"])
    trusted.verify_mode = ssl.CERT_REQUIRED
    return trusted


class Stream:
    """What came on one stream."""

    def __init__(self):
        self.bytes, self.ended, self.reset = b"", False, None


class Connection(QuicConnectionProtocol):
    """A client that says nothing of its own: no control stream, no settings."""

    def __init__(self, quic, **options):
        super().__init__(quic, **options)
        self.streams, self.end, self.changed = {}, None, asyncio.Event()

    @classmethod
    async def open(cls, early=False, tickets=None, options=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        quic = QuicConnection(configuration=options or configuration(), session_ticket_handler=tickets)
        loop = asyncio.get_running_loop()
        _, self = await loop.create_datagram_endpoint(lambda: cls(quic), sock=sock)
        self.connect(tuple(peer["secure"]), transmit=not early)
        if not early:
            await asyncio.wait_for(self.wait_connected(), STUCK)
        return self

    @classmethod
    async def greeted(cls, **options):
        """A client that has opened its control stream in good order."""
        self = await cls.open(**options)
        self.greet()
        return self

    def greet(self):
        self.send_uni(varint(CONTROL) + frame(SETTINGS))

    def quic_event_received(self, event):
        if isinstance(event, events.ConnectionTerminated):
            self.end = event
        elif isinstance(event, events.StreamDataReceived):
            stream = self.streams.setdefault(event.stream_id, Stream())
            stream.bytes += event.data
            stream.ended |= event.end_stream
        elif isinstance(event, events.StreamReset):
            self.streams.setdefault(event.stream_id, Stream()).reset = event.error_code
        self.changed.set()

    def send_uni(self, payload, end=False):
        stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
        return self.send(stream, payload, end)

    def ask(self, payload, end=True):
        """Opens a request's stream with these bytes."""
        return self.send(self._quic.get_next_available_stream_id(), payload, end)

    def send(self, stream, payload, end=False):
        self._quic.send_stream_data(stream, payload, end_stream=end)
        self.transmit()
        return stream

    async def wait(self, holds):
        async with asyncio.timeout(STUCK):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def turn(self):
        """Until the server has seen all that was sent: it may have made room for more."""
        try:
            await asyncio.wait_for(self.ping(), STUCK)
        except ConnectionError:
            # Closed, which `end` tells.
            pass

    def answer(self, stream):
        """Status, headers and body of what has come on a stream so far; None before its head."""
        come, status, fields, body = Buffer(data=self.streams.get(stream, Stream()).bytes), None, {}, b""
        while not come.eof():
            kind, length = come.pull_uint_var(), come.pull_uint_var()
            if come.capacity - come.tell() < length:
                break
            payload = come.pull_bytes(length)
            if kind == HEADERS:
                fields = dict(pylsqpack.Decoder(0, 0).feed_header(stream, payload)[1])
                status = int(fields[b":status"])
            elif kind == DATA:
                body += payload
        return status and (status, fields, body)

    async def answered(self, stream):
        """The whole answer on a stream."""
        await self.wait(lambda: self.end or (stream in self.streams and self.streams[stream].ended))
        return self.answer(stream)

    def is_over(self, stream):
        come = self.streams.get(stream)
        # A stream that ends without an answer is about to be followed by the connection's end.
        return self.end or (come and (come.reset is not None or (come.ended and self.answer(stream))))

    async def ending(self, stream):
        """How the server takes it: its answer's status, a reset of the stream, or the connection's end."""
        try:
            await self.wait(lambda: self.is_over(stream))
        except TimeoutError:
            return "silence"
        come = self.streams.get(stream, Stream())
        if self.end:
            said = self.closed()
        elif come.reset is not None:
            said = "reset " + ERRORS.get(come.reset, hex(come.reset))
        else:
            said = str(self.answer(stream)[0])
        self.leave()
        return said

    def closed(self):
        code = self.end.error_code
        # Only an application's close has no frame type.
        return ERRORS.get(code, hex(code)) if self.end.frame_type is None else f"QUIC {code:#x}"

    def leave(self):
        self.close()
        self._transport.close()
