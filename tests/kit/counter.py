# SPDX-License-Identifier: Apache-2.0
"""A server that counts: what was asked for, how often, when."""
import asyncio
import re
import threading
import time


class Counter:
    """An HTTP server that remembers each path and when it was asked for. `status(path)` is what it answers."""

    def __init__(self, status=lambda path: 200):
        self.status = status
        self.seen = []
        self.loop = asyncio.new_event_loop()
        self.port = None
        ready = threading.Event()

        async def serve(reader, writer):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    path = head.split(b" ", 2)[1].decode()
                    self.seen.append((path, time.time()))
                    writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % self.status(path))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        async def main():
            self.server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
            self.port = self.server.sockets[0].getsockname()[1]
            ready.set()

        def run():
            asyncio.set_event_loop(self.loop)
            self.loop.create_task(main())
            self.loop.run_forever()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        ready.wait()

    def numbers(self, prefix):
        """number → when, of the paths /prefix/number; every number once."""
        found = {}
        for path, when in self.seen:
            match = re.fullmatch(f"/{prefix}/(\\d+)", path)
            if match:
                number = int(match.group(1))
                assert number not in found, f"{path} came twice"
                found[number] = when
        return found

    def stop(self):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
