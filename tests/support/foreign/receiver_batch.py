"""receiver_batch.py - takes batches of orders as a whole or not at all: more than 1 MiB is 413, an
order whose id has "poison" in it fails its request with 500, one with "hang" gets no answer, one with
"unclear" an answer that is none. Prints its port, then a line for each request: the status and how
many orders it had."""
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from receiver_log import say


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        data = json.loads(body)['data']
        ids = [order['order_id'] for order in data]
        if any('hang' in i for i in ids):
            say('hang', len(ids))
            time.sleep(2)
            self.close_connection = True
            return
        text = b'so be it' if any('unclear' in i for i in ids) else b''
        status = 413 if len(body) > 1 << 20 else 500 if any('poison' in i for i in ids) else 200
        say(status, len(ids))
        self.send_response(status)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(('127.0.0.1', 0), Handler)
say('port', server.server_address[1])
server.serve_forever()
