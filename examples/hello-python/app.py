"""A small server on Python's standard library: / greets, /healthz says it is well."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            greeting = os.environ.get("GREETING", "Hello")
            release = os.environ.get("TOW_RELEASE", "none")
            instance = os.environ.get("TOW_INSTANCE", "none")
            self.answer(200, f"{greeting}\nrelease {release}, instance {instance}\n")
        elif path == "/healthz":
            self.answer(200, "ok\n")
        else:
            self.answer(404, "not here\n")

    do_HEAD = do_GET

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    print(f"listening on 127.0.0.1:{port}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Hello).serve_forever()
