#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server of zoo_ratio.c in Python: /zero, /one and /ten cost so many units, /costs tells what they
took by the thread's clock. Prints its port."""
import http.server
import json
import threading
import time

costs, lock = {"zero": [0, 0], "one": [0, 0], "ten": [0, 0]}, threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/costs":
            return self.answer(json.dumps(costs).encode())
        begin_ns, cost = time.thread_time_ns(), costs[self.path[1:]]
        self.work()
        self.answer(b"ok")
        with lock:
            cost[0] += time.thread_time_ns() - begin_ns
            cost[1] += 1

    def work(self):
        x = 1
        for i in range({"/zero": 0, "/one": 20000, "/ten": 200000}[self.path]):
            x = x * 31 & 0xffff

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
