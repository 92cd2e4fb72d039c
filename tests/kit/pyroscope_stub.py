#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Pyroscope server as far as its documented limits and silent losses go (standard library only).

Owns: the checks and drops of Push and the answers of SelectMergeProfile, as restated in
reference/pyroscope.md §1.3, §1.8, §1.9 and §2.2 and seen there on a running server. Everything else
is refused. One test file runs against this and against a real server (tests/e2e/test_pyroscope.py).

Used in a test:  with PyroscopeStub(multitenancy=True) as stub: ... stub.url
By hand:         pyroscope_stub.py [PORT]
"""
import gzip
import json
import re
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = 1 << 20
PUSH = "/push.v1.PusherService/Push"
MERGE = "/querier.v1.QuerierService/SelectMergeProfile"


class Refused(Exception):
    """An error as a Connect client sees it."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def bad(message):
    return Refused(400, "invalid_argument", message)


# -- protobuf ---------------------------------------------------------------------------------

def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("unexpected EOF")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at


def fields(data):
    """Yields (number, value): an int for varints, bytes for everything that has a length."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("proto: illegal tag 0")
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1 or wire == 5:
            size = 8 if wire == 1 else 4
            value, at = data[at:at + size], at + size
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("proto: wiretype end group for non-group")
        if at > len(data):
            raise ValueError("unexpected EOF")
        yield number, value


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def numbers(value):
    """A repeated integer, packed or not."""
    if isinstance(value, int):
        return [value]
    result, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        result.append(number)
    return result


def encode_varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(number, value):
    if isinstance(value, int):
        return encode_varint(number << 3) + encode_varint(value)
    if isinstance(value, str):
        value = value.encode()
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value


class Record:
    """A message as a dict of lists, by field number."""

    def __init__(self, data):
        self.all = {}
        for number, value in fields(data):
            self.all.setdefault(number, []).append(value)

    def number(self, field):
        value = self.all.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def messages(self, field):
        return [Record(value) for value in self.all.get(field, []) if isinstance(value, bytes)]

    def text(self, field):
        value = self.all.get(field, [b""])[-1]
        if not isinstance(value, bytes):
            raise ValueError("proto: bad wiretype")
        return value

    def integers(self, field):
        return [n for value in self.all.get(field, []) for n in numbers(value)]


# -- pprof ------------------------------------------------------------------------------------

def inflate(raw):
    if raw[:2] != b"\x1f\x8b":
        if len(raw) < 10:
            raise Refused(500, "unknown", "gzip reset: unexpected EOF" if raw else "gzip reset: EOF")
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error) as error:
        raise Refused(500, "unknown", "copy to buffer: unexpected EOF") from error
    except OSError as error:
        raise Refused(500, "unknown", "copy to buffer: gzip: invalid checksum") from error


class Pprof:
    """Decodes and validates: what fails here fails the request (§1.8)."""

    def __init__(self, data):
        profile = Record(data)
        raw_strings = profile.all.get(6, [])
        if not profile.all.get(1):
            raise bad("empty profile")
        if not raw_strings or raw_strings[0] != b"":
            raise bad("string 0 should be empty string")
        self.strings = []
        for text in raw_strings:
            try:
                self.strings.append(text.decode("utf-8"))
            except UnicodeDecodeError:
                raise bad("invalid utf8 string hex: " + text.hex()) from None
        self.types = [self._type(t) for t in profile.messages(1)]
        for name, _ in self.types:
            if "-" in name:
                raise bad("sample type contains -")
        period = profile.messages(11)
        self.period_type = self._type(period[-1]) if period else ("", "")
        self.time_nanos = signed(profile.number(9))
        self.mappings = {m.number(1): m for m in profile.messages(3)}
        self.functions = {}
        for function in profile.messages(5):
            if not function.number(1):
                raise bad("function id is 0")
            self._string(function.number(3)), self._string(function.number(4))
            self.functions[function.number(1)] = self._string(function.number(2))
        self.locations = {}
        for location in profile.messages(4):
            if not location.number(1):
                raise bad("location id is 0")
            self.locations[location.number(1)] = location
        self.samples = [self._sample(s) for s in profile.messages(2)]

    def _string(self, index):
        if index >= len(self.strings):
            raise bad("function name string index out of range")
        return self.strings[index]

    def _type(self, message):
        if max(message.number(1), message.number(2)) >= len(self.strings):
            raise bad("sample type type string index out of range")
        return self.strings[message.number(1)], self.strings[message.number(2)]

    def _sample(self, message):
        values = [signed(v) for v in message.integers(2)]
        if len(values) != len(self.types):
            raise bad("sample value length mismatch")
        labels = [(self._string(m.number(1)), self._string(m.number(2)))
                  for m in message.messages(3) if m.number(2)]
        return message.integers(1), values, labels, len(message.all.get(3, []))

    def frame(self, location_id):
        """The names of one location, or None if the server removes it (§1.9)."""
        location = self.locations.get(location_id)
        if location is None:
            return None
        mapping = location.number(2)
        if mapping and mapping not in self.mappings:
            return None
        lines = location.messages(4)[:len(location.all.get(4, [])) % 256]
        if not location.all.get(4) and not location.number(3):
            return None
        names = []
        for line in lines:
            if line.number(1) not in self.functions:
                return None
            names.append(self.functions[line.number(1)].encode()[-65535:].decode("utf-8", "ignore"))
        return tuple(names)

    def kept(self):
        """(series labels, stack, values) of what survives normalisation; the rest is lost silently."""
        for ids, values, labels, _ in self.samples:
            if any(v < 0 for v in values) or not any(values):
                continue
            frames = [self.frame(i) for i in ids]
            if any(f is None for f in frames):
                continue
            first = {}
            for key, value in labels:
                if key and value:
                    first.setdefault(key, value)
            yield first, tuple(frames[-1000:]), values  # the leaf-most are cut


# -- the server -------------------------------------------------------------------------------

class Store:
    """What was stored: one row per series × profile, and the rules on the way in and out."""

    def __init__(self, **options):
        self.multitenancy = options.get("multitenancy", False)
        self.older_s = options.get("reject_older_s", 3600)
        self.newer_s = options.get("reject_newer_s", 600)
        self.rate = options.get("rate_bytes_per_s", 4 * MIB)
        self.burst = options.get("burst_bytes", 2 * MIB)
        self.tokens, self.filled = float(self.burst), time.monotonic()
        self.rows = []
        self.lock = threading.RLock()

    def take_tokens(self, size):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if size > self.tokens:
            raise Refused(429, "resource_exhausted",
                          f"push rate limit ({self.rate / MIB:.1f} MiB) exceeded while adding "
                          f"{size / MIB:.1f} MiB")
        self.tokens -= size

    @staticmethod
    def check_labels(labels):
        shown = "{" + ", ".join(f'{k}="{v}"' for k, v in sorted(labels)) + "}"
        names = [name for name, _ in labels]
        for name in names:
            if names.count(name) > 1:
                raise bad(f"profile with labels '{shown}' has duplicate label name: '{name}'")
        values = dict(labels)
        if not values.get("__name__"):
            raise bad(f"invalid labels '{shown}' with error: invalid metric name")
        if values.get("service_name") == "":
            raise bad(f"invalid labels '{shown}' with error: service name is not provided")
        values.setdefault("service_name", "unknown_service")
        values = {k: v for k, v in values.items() if v}
        counted = [k for k in values if k != "__session_id__"]
        if len(counted) > 30:
            raise bad(f"profile series '{shown}' has {len(counted)} label names; limit 30")
        for name, value in values.items():
            if not name:
                raise bad(f"invalid labels '{shown}' with error: invalid label name ''")
            if len(name.encode()) > 1024:
                raise bad(f"profile with labels '{shown}' has label name too long: '{name}'")
            if len(value.encode()) > 2048:
                raise bad(f"profile with labels '{shown}' has label value too long: '{value}'")
        return values, shown

    def check_time(self, shown, stamp):
        now = time.time_ns()
        if stamp <= 0:
            return now
        low, high = now - self.older_s * 10 ** 9, now + self.newer_s * 10 ** 9
        if not low <= stamp <= high:
            raise bad(f"profile with labels '{shown}' is outside of ingestion window (profile "
                      f"timestamp: {stamp}, the ingestion window starts at {low} and ends at {high})")
        return stamp

    def push_one(self, tenant, labels, raw):
        data = inflate(raw)
        if not data:
            raise bad("empty profile")
        if len(data) > 4 * MIB:
            raise bad("uncompressed profile payload size exceeds limit of 4.2 MB")
        values, shown = self.check_labels(labels)
        self.take_tokens(len(data) + sum(len(k.encode()) + len(v.encode()) for k, v in labels))
        try:
            pprof = Pprof(data)
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise Refused(500, "unknown", str(error)) from error
        stamp = self.check_time(shown, pprof.time_nanos)
        if len(pprof.samples) > 16000:
            raise bad(f"the profile with labels '{shown}' exceeds the samples count limit "
                      f"(max_profile_stacktrace_samples, actual: {len(pprof.samples)}, limit: 16000)")
        for sample in pprof.samples:
            if sample[3] > 100:
                raise bad(f"the profile with labels '{shown}' exceeds the sample labels limit "
                          f"(max_profile_stacktrace_sample_labels, actual: {sample[3]}, limit: 100)")
        self.keep(tenant, values, stamp, pprof)

    def keep(self, tenant, values, stamp, pprof):
        series = {}
        for extra, stack, numbers_ in pprof.kept():
            merged = {**extra, **values}
            self.check_labels(list(merged.items()))
            merged.pop("__delta__", None)
            merged.pop("__session_id__", None)
            series.setdefault(tuple(sorted(merged.items())), []).append((stack, numbers_))
        for key, samples in series.items():
            self.rows.append({"tenant": tenant, "labels": dict(key), "time": stamp,
                              "types": pprof.types, "period": pprof.period_type, "samples": samples})

    def push(self, tenant, body):
        try:
            series = [([(l.text(1).decode(), l.text(2).decode()) for l in s.messages(1)],
                       [m.text(1) for m in s.messages(2)]) for s in Record(body).messages(1)]
        except (ValueError, UnicodeDecodeError) as error:
            raise bad(f"unmarshal message: {error}") from error
        if not any(raws for _, raws in series):
            raise bad("no profiles received")
        failure = None
        with self.lock:
            for labels, raws in series:
                for raw in raws:
                    try:
                        self.push_one(tenant, labels, raw)
                    except Refused as refused:  # the others are stored all the same
                        failure = refused
        if failure:
            raise failure

    def compact(self):
        """Rows of one series and one nanosecond collapse into one."""
        with self.lock:
            seen = {}
            for row in self.rows:
                seen[(row["tenant"], tuple(sorted(row["labels"].items())), row["time"])] = row
            self.rows = list(seen.values())

    def merge(self, tenants, body):
        request = Record(body)
        type_id = request.text(1).decode()
        parts = type_id.split(":")
        if len(parts) not in (5, 6):
            raise bad("profile-type selection must be of the form <name>:<sample-type>:"
                      f"<sample-unit>:<period-type>:<period-unit>(:delta), got({len(parts)}): "
                      f"\"{type_id}\"")
        start, end = request.number(3), request.number(4)
        if not start or not end:
            raise bad("missing time range in the query")
        if start > end:
            raise bad("query start time is after end time")
        if end - start > 24 * 3600 * 1000:
            raise bad("the query time range exceeds the limit (max_query_length, actual: "
                      f"{(end - start) / 1000}s, limit: 1d)")
        matchers = parse_selector(request.text(2).decode())
        total, any_service = {}, False
        with self.lock:
            for row in self.rows:
                if row["tenant"] not in tenants:
                    continue
                service = [m for m in matchers if m[0] == "service_name"]
                any_service |= bool(service) and matches(row["labels"], service)
                if not start * 10 ** 6 <= row["time"] <= end * 10 ** 6:
                    continue
                if matches(row["labels"], matchers) and row["labels"]["__name__"] == parts[0] \
                        and list(row["period"]) == parts[3:5]:
                    add_row(total, row, (parts[1], parts[2]))
        if not total:
            return bytes.fromhex("0a0032005a00") if any_service else b""
        return encode_merged(parts, total, end * 10 ** 6)


def add_row(total, row, wanted):
    for i, sample_type in enumerate(row["types"]):
        if sample_type == wanted:
            for stack, values in row["samples"]:
                if stack and values[i]:  # an empty stack is counted, but not to be found
                    total[stack] = total.get(stack, 0) + values[i]


def encode_merged(parts, total, time_nanos):
    strings, frames, functions = {"": 0}, {}, {}

    def string(text):
        return strings.setdefault(text, len(strings))

    out = put(1, put(1, string(parts[1])) + put(2, string(parts[2])))
    for stack, value in total.items():
        ids = [frames.setdefault(f, len(frames) + 1) for f in stack]
        out += put(2, put(1, b"".join(map(encode_varint, ids))) + put(2, encode_varint(value)))
    out += put(3, put(1, 1) + put(7, 1))
    for names, ident in frames.items():
        lines = b"".join(put(4, put(1, functions.setdefault(n, len(functions) + 1))) for n in names)
        out += put(4, put(1, ident) + put(2, 1) + lines)
    for name, ident in functions.items():
        out += put(5, put(1, ident) + put(2, string(name)) + put(3, string(name)))
    out += put(11, put(1, string(parts[3])) + put(2, string(parts[4])))
    out += put(12, 10 ** 9 if parts[0] == "process_cpu" else 1) + put(9, time_nanos)
    return out + b"".join(put(6, text) for text in strings)


MATCHER = re.compile(r"""\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*
                         ("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)\s*(,|$)""", re.X)


def unquote(text):
    if text[0] == "`":
        return text[1:-1]
    simple = {"n": "\n", "t": "\t", "r": "\r"}

    def escape(match):
        word = match.group(1)
        return chr(int(word[1:], 16)) if word[0] == "x" and len(word) == 3 else simple.get(word, word)

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", escape, text[1:-1])


def parse_selector(text):
    if not (text.startswith("{") and text.endswith("}")):
        raise bad(f'parsing label selector "{text}": unknown position: parse error')
    rest, result = text[1:-1].strip(), []
    while rest:
        match = MATCHER.match(rest)
        if not match:
            raise bad(f'parsing label selector "{text}": parse error')
        result.append((match.group(1), match.group(2), unquote(match.group(3))))
        rest = rest[match.end():].strip()
    return result


def matches(labels, matchers):
    for name, operator, value in matchers:
        have = labels.get(name, "")
        same = re.fullmatch(value, have) is not None if "~" in operator else have == value
        if same == operator.startswith("!"):
            return False
    return True


TENANT = re.compile(r"[A-Za-z0-9!\-_.*'()]*")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", content_type=None, **headers):
        if body and self.headers.get("Content-Encoding") == "gzip" or \
                status == 200 and self.headers.get("Content-Encoding") == "gzip":
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, error):
        body = json.dumps({"code": error.code, "message": error.message}).encode()
        self.answer(error.status, body, "application/json")

    def tenants(self, writing):
        if not self.server.store.multitenancy:
            return ["anonymous"]
        header = self.headers.get("X-Scope-OrgID", "")
        if not header:
            raise Refused(401, "unauthenticated", "no org id")
        names = header.split("|")
        for name in names:
            if not TENANT.fullmatch(name) or name in (".", ".."):
                raise Refused(401, "unauthenticated",
                              f"tenant ID '{name}' contains unsupported character")
            if len(name) > 150:
                raise Refused(401, "unauthenticated", "tenant ID is too long: max 150 characters")
        if writing and len(names) > 1:
            raise Refused(401, "unauthenticated", "multiple org IDs present")
        return names

    def do_GET(self):
        if self.path == "/ready":
            return self.answer(200, b"ready\n", "text/plain")
        if self.path in (PUSH, MERGE):
            return self.answer(405, Allow="POST")
        return self.answer(404, b"404 page not found\n", "text/plain")

    do_PUT = do_GET

    def fault(self, body):
        """Misbehaves as the test ordered; True if the request is dealt with."""
        server = self.server
        kind = server.faults.pop(0) if server.faults else None
        if kind is None or kind == "none":
            return False
        if kind == "lose":  # 200, and nothing is stored
            self.answer(200, b"", "application/proto")
        elif kind == "unavailable":
            self.refuse(Refused(500, "unknown", "rpc error: code = Unavailable desc = service is "
                                                "unavailable"))
        elif kind == "timeout-stored":
            server.store.push(self.tenants(True)[0], body)
            self.refuse(Refused(504, "deadline_exceeded", "context deadline exceeded"))
        elif kind == "close-stored":
            server.store.push(self.tenants(True)[0], body)
            self.close_connection = True
        else:
            status, code, message = kind
            self.refuse(Refused(status, code, message))
        return True

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.requests.append((self.path, dict(self.headers), body))
        if "//" in self.path:
            return self.answer(301, Location=re.sub("/+", "/", self.path))
        if self.path not in (PUSH, MERGE):
            return self.answer(404, b"404 page not found\n", "text/plain")
        if server.basic and self.headers.get("Authorization") != server.basic:
            return self.answer(401, b"authentication required\n", "text/plain")
        try:
            tenants = self.tenants(self.path == PUSH)
            if self.headers.get("Content-Type") != "application/proto":
                return self.answer(415)
            if self.headers.get("Connect-Protocol-Version", "1") != "1":
                raise bad("Connect-Protocol-Version must be \"1\"")
            encoding = self.headers.get("Content-Encoding", "")
            if encoding not in ("", "gzip", "identity"):
                raise Refused(501, "unimplemented", f"unknown compression \"{encoding}\": supported "
                                                    "encodings are gzip")
            if encoding == "gzip":
                try:
                    body = gzip.decompress(body)
                except (OSError, EOFError, zlib.error):
                    raise bad("get decompressor: gzip: invalid header") from None
            if self.path == MERGE:
                return self.answer(200, server.store.merge(tenants, body), "application/proto")
            if self.fault(body):
                return None
            server.store.push(tenants[0], body)
            time.sleep(server.delay_s)
            return self.answer(200, b"", "application/proto")
        except Refused as refused:
            return self.refuse(refused)


class PyroscopeStub:
    """A running stub. `faults` is a list that pushes work off one by one."""

    def __init__(self, port=0, basic=None, delay_s=0.0, **options):
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.store = self.store = Store(**options)
        self.server.faults = self.faults = []
        self.server.requests = self.requests = []
        self.server.basic, self.server.delay_s = basic, delay_s
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    import sys
    with PyroscopeStub(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as running:
        print(running.url, flush=True)
        threading.Event().wait()
