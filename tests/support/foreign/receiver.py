"""receiver.py - answers in many ways, by the path that is asked for, with Python's http.server as it
comes: HTTP/1.0 first, HTTP/1.1 on a port of its own; at 127.0.0.1 and 127.0.0.2. Prints both ports, and
"request ADDRESS" for each request."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from receiver_log import say

PAID = b'{"outcome":"paid"}'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        say('request', self.connection.getsockname()[0])
        self.rfile.read(int(self.headers['content-length']))
        getattr(self, self.path[1:].replace('-', '_'))()

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def no_content(self):
        self.head(204)

    def length_0(self):
        self.head(200, content_length='0')

    def no_length(self):
        self.head(200)

    def body(self):
        self.head(200)
        self.wfile.write(PAID)

    def body_with_length(self):
        self.head(200, content_length=str(len(PAID)))
        self.wfile.write(PAID)

    def print_nothing(self):
        self.head(200, content_length='1')
        self.wfile.write(b'\n')

    def dies_behind_headers(self):
        self.head(200, content_type='application/json')
        raise BrokenPipeError

    def dies_before(self):
        raise BrokenPipeError

    def dies_before_length(self):
        self.head(200, content_length=str(len(PAID)))
        raise BrokenPipeError

    def error(self):
        self.send_error(500)

    def busy(self):
        self.head(503, retry_after='9', content_length='0')


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass

    def finish_request(self, request, client_address):
        self.handler(request, client_address, self)


class Handler11(Handler):
    protocol_version = 'HTTP/1.1'

    def no_length(self):
        self.close_connection = True
        self.head(200)

    body = Handler.body_with_length


servers = []
for handler in Handler, Handler11:
    port = 0
    for address in '127.0.0.1', '127.0.0.2':
        server = Quiet((address, port), handler)
        server.handler = handler
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever).start()
    servers.append(server)
say('ports', *(server.server_address[1] for server in servers))
