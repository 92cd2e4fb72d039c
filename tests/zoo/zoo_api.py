#!/usr/bin/env python3
"""A small real REST API, in the manner of the one that k6's tutorials use.

  GET  /                           a page          GET /news  /contacts     pages
  GET  /pi?decimals=3              work that grows with `decimals`
  GET  /flip?bet=heads             {"bet", "won"}
  GET  /public/crocodiles          list            GET /public/crocodiles/ID
  POST /user/register              {"username", "password"} → 201 {"id", "username"}; 400 when taken
  POST /auth/token/login           {"username", "password"} (json or form) → {"access"}
  GET, POST /my/crocodiles         with Authorization: Bearer …; POST {"name", "sex"} → 201
  GET, PATCH, DELETE /my/crocodiles/ID
  POST /cookies/set?name=value     sets a cookie   GET /cookies   what the client sent, as JSON
  GET  /redirect?n=2               302 to n−1, then 200
  GET  /stats                      how many requests each route got, and what is left behind

Everything lives in memory. One thread per connection, HTTP/1.1 with keep-alive. `--port 0` chooses a port and prints it.
"""
import argparse
import decimal
import http.server
import json
import secrets
import socketserver
import threading
import urllib.parse

CROCODILES = [
    {"id": i + 1, "name": name, "sex": sex, "age": age}
    for i, (name, sex, age) in enumerate(
        [("Bert", "M", 14), ("Ed", "M", 8), ("Lyle", "M", 33), ("Solomon", "M", 27), ("Gharial", "F", 9),
         ("Sang Buaya", "F", 45), ("Sobek", "F", 52), ("Curious George", "M", 21)])
]


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.users = {}  # name → password
        self.tokens = {}  # token → user
        self.owned = {}  # id → crocodile with "owner"
        self.next_id = 1000
        self.requests = {}  # route → count


def pi(digits):
    """Machin's formula: real work that grows with the number of digits."""
    decimal.getcontext().prec = digits + 5

    def arctan_inverse(x):
        total = term = decimal.Decimal(1) / x
        n, sign = 3, -1
        while True:
            term /= x * x
            step = term / n
            if total + sign * step == total:
                return total
            total += sign * step
            n, sign = n + 2, -sign

    return str(4 * (4 * arctan_inverse(5) - arctan_inverse(239)))[:digits + 2]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body in one segment
    state = State()

    def log_message(self, *_):
        pass

    # -- answering ------------------------------------------------------------------------------

    def answer(self, status, value=None, headers=(), content_type="application/json"):
        body = b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)
        self.wfile.flush()

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(min(length, 1 << 20)).decode("utf-8", "replace")
        if "x-www-form-urlencoded" in self.headers.get("Content-Type", ""):
            return dict(urllib.parse.parse_qsl(text))
        try:
            value = json.loads(text or "{}")
            return value if isinstance(value, dict) else {}
        except ValueError:
            return {}

    def user(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        with self.state.lock:
            return self.state.tokens.get(token) if scheme == "Bearer" else None

    # -- routes ---------------------------------------------------------------------------------

    def route(self):
        url = urllib.parse.urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        query = dict(urllib.parse.parse_qsl(url.query))
        key = f"{self.command} /" + "/".join(":id" if p.isdigit() else p for p in parts)
        with self.state.lock:
            self.state.requests[key] = self.state.requests.get(key, 0) + 1
        body = self.body()
        if not parts:
            return self.page("Welcome", "<a href=/news>news</a>")
        handler = getattr(self, "on_" + parts[0], None)
        if handler is None:
            return self.answer(404, {"detail": "Not found."})
        return handler(parts[1:], query, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = route

    def page(self, title, text):
        self.answer(200, f"<!doctype html><title>{title}</title><h1>{title}</h1>{text}\n", content_type="text/html")

    def on_news(self, *_):
        self.page("In the news", "Crocodiles enjoy being asked in parallel.")

    def on_contacts(self, *_):
        self.page("Contact us", "No.")

    def on_healthz(self, *_):
        self.answer(200, {"ok": True})

    def on_pi(self, _, query, __):
        digits = int(query.get("decimals", "2")) if query.get("decimals", "2").isdigit() else -1
        if not 0 <= digits <= 500:
            return self.answer(400, {"detail": "decimals: 0 to 500"})
        return self.answer(200, {"pi": pi(digits)})

    def on_flip(self, _, query, __):
        bet = query.get("bet", "heads")
        self.answer(200, {"bet": bet, "won": secrets.randbelow(2) == 0})

    def on_public(self, rest, *_):
        if rest[:1] != ["crocodiles"]:
            return self.answer(404, {"detail": "Not found."})
        if len(rest) == 1:
            return self.answer(200, CROCODILES)
        found = [c for c in CROCODILES if str(c["id"]) == rest[1]]
        return self.answer(200, found[0]) if found else self.answer(404, {"detail": "Not found."})

    def on_user(self, rest, _, body):
        name, password = body.get("username"), body.get("password")
        if rest != ["register"] or self.command != "POST":
            return self.answer(404, {"detail": "Not found."})
        if not name or not password:
            return self.answer(400, {"detail": "username and password are required"})
        with self.state.lock:
            if name in self.state.users:
                return self.answer(400, {"username": ["A user with that username already exists."]})
            self.state.users[name] = password
        return self.answer(201, {"id": len(self.state.users), "username": name})

    def on_auth(self, rest, _, body):
        if rest != ["token", "login"] or self.command != "POST":
            return self.answer(404, {"detail": "Not found."})
        name = body.get("username")
        with self.state.lock:
            if name is None or self.state.users.get(name) != body.get("password"):
                return self.answer(401, {"detail": "No active account found with the given credentials"})
            token = "ey" + secrets.token_urlsafe(24)
            self.state.tokens[token] = name
        return self.answer(200, {"access": token}, [("Set-Cookie", f"session={token[:8]}; Path=/")])

    def on_my(self, rest, _, body):
        user = self.user()
        if user is None:
            return self.answer(401, {"detail": "Authentication credentials were not provided."},
                               [("WWW-Authenticate", "Bearer")])
        if rest[:1] != ["crocodiles"] or len(rest) > 2:
            return self.answer(404, {"detail": "Not found."})
        return self.collection(user, body) if len(rest) == 1 else self.item(user, rest[1], body)

    def collection(self, user, body):
        with self.state.lock:
            if self.command == "GET":
                return self.answer(200, [c for c in self.state.owned.values() if c["owner"] == user])
            if self.command != "POST":
                return self.answer(405, {"detail": "Method not allowed."})
            if not body.get("name"):
                return self.answer(400, {"name": ["This field is required."]})
            self.state.next_id += 1
            made = {"id": self.state.next_id, "name": body["name"], "sex": body.get("sex", "F"), "owner": user}
            self.state.owned[made["id"]] = made
        return self.answer(201, made)

    def item(self, user, number, body):
        with self.state.lock:
            found = self.state.owned.get(int(number)) if number.isdigit() else None
            if found is None or found["owner"] != user:
                return self.answer(404, {"detail": "Not found."})
            if self.command == "DELETE":
                del self.state.owned[found["id"]]
                return self.answer(204)
            if self.command in ("PATCH", "PUT"):
                found.update({k: v for k, v in body.items() if k in ("name", "sex")})
            return self.answer(200, found)

    def on_cookies(self, rest, query, _):
        if rest == ["set"]:
            return self.answer(200, {"set": query}, [("Set-Cookie", f"{k}={v}; Path=/") for k, v in query.items()])
        sent = self.headers.get("Cookie", "")
        return self.answer(200, dict(c.strip().split("=", 1) for c in sent.split(";") if "=" in c))

    def on_redirect(self, _, query, __):
        left = int(query.get("n", "1")) if query.get("n", "1").isdigit() else 0
        if left > 0:
            return self.answer(302, None, [("Location", f"/redirect?n={left - 1}")])
        return self.answer(200, {"arrived": True})

    def on_stats(self, *_):
        with self.state.lock:
            self.answer(200, {"requests": self.state.requests, "users": len(self.state.users),
                              "crocodiles": len(self.state.owned)})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    server = Server(("127.0.0.1", parser.parse_args().port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
