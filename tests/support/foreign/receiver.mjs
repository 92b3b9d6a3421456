// receiver.mjs CERT KEY - answers in many ways, by the path that is asked for, over HTTP/1.1 and,
// with TLS, over HTTP/2. Prints both ports, and whether Node's
// session.close() lets its peer know (Node 18 hangs up, and unwritten answers are lost).
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { readFileSync } from 'node:fs'

const paid = '{"outcome":"paid"}'

const http1 = {
  '/end': (req, res) => res.end(),
  '/no-content': (req, res) => res.writeHead(204).end(),
  '/length': (req, res) => res.writeHead(200, { 'content-length': 18 }).end(paid),
  '/chunked': (req, res) => { res.write(paid.slice(0, 7)); res.end(paid.slice(7)) },
  '/chunked-empty': (req, res) => { res.writeHead(200, { 'transfer-encoding': 'chunked' }); res.end() },
  '/trailer': (req, res) => {
    res.writeHead(200, { trailer: 'server-timing' })
    res.write(paid)
    res.addTrailers({ 'server-timing': 'db;dur=3' })
    res.end()
  },
  '/early-hints': (req, res) => res.writeEarlyHints({ link: '</a>; rel=preload' }, () => res.end(paid)),
  '/processing': (req, res) => { res.writeProcessing(); res.end(paid) },
  '/close': (req, res) => res.writeHead(200, { connection: 'close' }).end(paid),
  '/dies-unframed': (req, res) => {
    res.useChunkedEncodingByDefault = false
    res.writeHead(200, { connection: 'close' })
    res.flushHeaders()
    setTimeout(() => res.socket.end(), 20)
  },
  '/dies-amid-chunks': (req, res) => { res.write(paid); setTimeout(() => res.destroy(), 20) },
  '/dies-before-length': (req, res) => {
    res.writeHead(200, { 'content-length': 18 })
    res.flushHeaders()
    setTimeout(() => res.destroy(), 20)
  },
  '/dies': (req, res) => res.destroy(),
  '/throws': (req, res) => res.writeHead(500).end('Internal Server Error'),
  '/redirect': (req, res) => res.writeHead(307, { location: '/end' }).end(),
  '/busy': (req, res) => res.writeHead(429, { 'retry-after': 9 }).end(),
  '/html': (req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<p>ok</p>'),
}

const http2 = {
  '/end': s => s.respond({ ':status': 200 }, { endStream: true }),
  '/no-content': s => s.respond({ ':status': 204 }, { endStream: true }),
  '/empty-data': s => { s.respond({ ':status': 200 }); s.end() },
  '/body': s => { s.respond({ ':status': 200 }); s.end(paid) },
  '/trailer': s => {
    s.respond({ ':status': 200 }, { waitForTrailers: true })
    s.on('wantTrailers', () => s.sendTrailers({ 'server-timing': 'db;dur=3', 'retry-after': '5' }))
    s.end(paid)
  },
  '/trailer-empty': s => {
    s.respond({ ':status': 200 }, { waitForTrailers: true })
    s.on('wantTrailers', () => s.sendTrailers({ 'server-timing': 'db;dur=3' }))
    s.end()
  },
  '/early-hints': s => { s.additionalHeaders({ ':status': 103, link: '</a>' }); s.respond(); s.end(paid) },
  '/hangs-up-behind-headers': s => {
    s.respond({ ':status': 200 })
    setTimeout(() => s.session.destroy(), 20)
  },
  '/hangs-up': s => s.session.destroy(),
  '/goaway-then-answers': s => {
    s.session.goaway(0)
    setTimeout(() => { s.respond({ ':status': 200 }); s.end(paid) }, 20)
  },
  // A session's graceful end behind its tenth stream.
  '/closes-each-10': s => {
    s.session.streams = (s.session.streams ?? 0) + 1
    s.respond({ ':status': 200 })
    s.end(paid)
    if (s.session.streams === 10) s.session.close()
  },
  // From the tenth stream on none is answered, and then all hang up.
  '/hangs-up-each-10': s => {
    s.session.streams = (s.session.streams ?? 0) + 1
    if (s.session.streams < 10) { s.respond({ ':status': 200 }); s.end(paid) }
    if (s.session.streams === 10) setTimeout(() => s.session?.destroy(), 20)
  },
  '/throws': s => { s.respond({ ':status': 500 }); s.end('Internal Server Error') },
  '/busy': s => s.respond({ ':status': 503, 'retry-after': 9 }, { endStream: true }),
}

// A request is read to its end before it is answered.
const one = createServer((req, res) => {
  const act = http1[req.url] ?? ((q, r) => r.writeHead(404).end())
  req.resume().on('end', () => act(req, res))
})
const two = createSecureServer({ cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]) })
two.on('stream', (s, headers) => {
  s.on('error', () => {})
  const act = http2[headers[':path']] ?? (x => x.respond({ ':status': 404 }, { endStream: true }))
  // What a session's end had destroyed before it came is no request: nobody acts on it.
  s.resume().on('end', () => {
    if (s.destroyed) return
    console.log('request', headers[':path'])
    act(s)
  })
})
const hangsUp = parseInt(process.versions.node) < 20 ? '\ncloses without GOAWAY' : ''
one.listen(0, '127.0.0.1', () => two.listen(0, '127.0.0.1', () =>
  console.log(`ports ${one.address().port} ${two.address().port}${hangsUp}`)))
