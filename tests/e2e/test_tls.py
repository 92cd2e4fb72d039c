#!/usr/bin/env python3
"""engine_native's TLS against a real server: who is believed, who is not, and what is said then."""
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import socket

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Tls(kit.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(kit.tempfile.mkdtemp(prefix="fg-tls-"))
        cls.addClassCleanup(shutil.rmtree, cls.keys, True)
        for name, subject in (("right", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:other.test")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-keyout", cls.keys / f"{name}.key", "-out", cls.keys / f"{name}.pem", "-days", "2",
                            "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"], check=True, capture_output=True)

    def serve(self, certificate="right", client_ca=None, answer=ANSWER, truncate=False, **versions):
        """Keep-alive connections, one thread each; what was negotiated is kept in self.seen."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.keys / f"{certificate}.pem", self.keys / f"{certificate}.key")
        context.set_alpn_protocols(["h2", "http/1.1"])
        for name, value in versions.items():
            setattr(context, name, value)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.keys / f"{client_ca}.pem")
        self.seen, names = [], {}
        context.sni_callback = lambda connection, name, _: names.update({connection: name})
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(listener.close)

        def talk(raw):
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    self.seen.append((connection.selected_alpn_protocol(), connection.version(), names.get(connection)))
                    while connection.recv(65536):
                        connection.sendall(answer)
                        if b"Content-Length" not in answer:
                            if not truncate:
                                connection.unwrap()
                            return
            except OSError:
                pass

        def accept():
            try:
                while True:
                    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def load(self, port, tls="", host="127.0.0.1"):
        """Eight requests by two VUs."""
        self.write("s.yaml", f"""
version: 1
target: {{ url: "https://{host}:{port}" }}
http: {{ version: "1.1", timeout: 10s, tls: {{ {tls} }} }}
scenarios:
  s: {{ executor: per-vu-iterations, vus: 2, iterations: 4, steps: [ {{ get: / }} ] }}
""")
        done = self.flamegate("run", "--engine", "native", "--no-profile", "--quiet", "s.yaml")
        self.assertIn(" requests in ", done.out, done.err)
        return done

    def believed(self, done):
        self.assertIn(" 0 failed", done.out, done.err)

    def refused(self, done, count=8):
        self.assertIn(f" {count} failed", done.out, done.err)
        self.assertIn("tls", done.out.lower())

    def test_trust(self):
        ca = f"ca: {self.keys}/right.pem"
        cases = [("right", ca, "127.0.0.1", True), ("right", ca, "localhost", True),
                 ("right", "", "127.0.0.1", False),                      # nobody vouches for it
                 ("other", f"ca: {self.keys}/other.pem", "127.0.0.1", False),  # another name
                 ("other", f"ca: {self.keys}/other.pem, serverName: other.test", "127.0.0.1", True),
                 ("right", f"{ca}, serverName: other.test", "127.0.0.1", False),
                 ("other", "insecureSkipVerify: true", "127.0.0.1", True),
                 ("right", f"ca: {self.keys}/other.pem", "127.0.0.1", False)]
        for certificate, tls, host, good in cases:
            with self.subTest(certificate=certificate, tls=tls, host=host):
                done = self.load(self.serve(certificate), tls, host)
                (self.believed if good else self.refused)(done)

    def test_what_is_negotiated(self):
        done = self.load(self.serve(), f"ca: {self.keys}/right.pem", "localhost")
        self.believed(done)
        self.assertEqual(set(self.seen), {("http/1.1", "TLSv1.3", "localhost")})
        self.assertLessEqual(len(self.seen), 2)  # one per VU, kept
        done = self.load(self.serve(), f"ca: {self.keys}/right.pem")
        self.assertEqual({name for _, _, name in self.seen}, {None})  # an address is no name

    def test_versions(self):
        ca = f"ca: {self.keys}/right.pem"
        old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
        done = self.load(self.serve(**old), ca)
        self.believed(done)
        self.assertEqual({version for _, version, _ in self.seen}, {"TLSv1.2"})
        done = self.load(self.serve(**old), f'{ca}, min: "1.3"')
        self.refused(done)

    def test_client_certificate(self):
        tls = f"ca: {self.keys}/right.pem, cert: {self.keys}/other.pem, key: {self.keys}/other.key"
        done = self.load(self.serve(client_ca="other"), tls)
        self.believed(done)
        done = self.load(self.serve(client_ca="other", maximum_version=ssl.TLSVersion.TLSv1_2), f"ca: {self.keys}/right.pem")
        self.refused(done)

    def test_bodies(self):
        """Larger than a record and than the buffers, both ways; and one that only TLS's goodbye ends."""
        tls = "insecureSkipVerify: true"
        large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3000000
        done = self.load(self.serve(answer=large), tls)
        self.believed(done)
        ended = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100000
        done = self.load(self.serve(answer=ended), tls)
        self.believed(done)
        done = self.load(self.serve(answer=ended, truncate=True), tls)
        self.assertIn(" 8 failed", done.out)

    def test_no_tls_there(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def talk():
            try:
                while True:
                    with listener.accept()[0] as connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            except OSError:
                pass

        threading.Thread(target=talk, daemon=True).start()
        done = self.load(listener.getsockname()[1], "insecureSkipVerify: true")
        self.refused(done)


if __name__ == "__main__":
    kit.main()
