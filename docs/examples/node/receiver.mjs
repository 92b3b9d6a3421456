#!/usr/bin/env node
/* receiver.mjs - a receiver of orderschedd's callbacks, with Node's own modules alone.
 *
 *     SECRET=whsec_... node receiver.mjs 127.0.0.1:7500 shop.jsonl payments/
 *     PUBLIC_KEY=whpk_... node receiver.mjs ...        what it verifies it cannot sign
 *
 * Verifies signature and timestamp, does each order once by its idempotency key, refuses old
 * fences, closes the payment before it releases the stock, and answers: one order a request, or a
 * batch.
 *
 * The shop's memory is a journal here, a JSON object a line, on disk before the answer and read at
 * the start. The payment platform is a directory, so that you can try this out: a file named like
 * the order says "paid" or "processing"; where there is none the payment is still open. Replace
 * closePayment() by calls to yours, and the journal by your database. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';

const TOLERANCE_S = 300; // an older timestamp is a replay
const BODY_MAX = 8 * 1024 * 1024;
const secrets = (process.env.SECRET ?? '').split(/\s+/).filter(Boolean);
const keys = secrets.map((s) => Buffer.from(s.replace(/^whsec_/, ''), 'base64'));
const publicKeys = (process.env.PUBLIC_KEY ?? '').split(/\s+/).filter(Boolean).map((s) => {
  const x = Buffer.from(s.replace(/^whpk_/, ''), 'base64').toString('base64url');
  return crypto.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
});
const [listen, journalPath, payments] = process.argv.slice(2);
if (!payments || keys.length + publicKeys.length === 0) {
  console.error('usage: SECRET=whsec_...|PUBLIC_KEY=whpk_... receiver.mjs HOST:PORT JOURNAL PAYMENTS');
  process.exit(2);
}

/* ---- memory ---- */

const settled = new Map(); // idempotency key -> answer
const fences = new Map(); // order -> [epoch, number], the highest seen

function remember(entry) {
  if (entry.fence) fences.set(entry.order, entry.fence);
  if (entry.answer) settled.set(entry.key, entry.answer);
}

// A last line without its end was not on disk when the process died: nobody was told of it.
if (fs.existsSync(journalPath)) {
  const whole = fs.readFileSync(journalPath, 'utf8').replace(/[^\n]*$/, '');
  whole.split('\n').filter(Boolean).forEach((line) => remember(JSON.parse(line)));
  fs.truncateSync(journalPath, Buffer.byteLength(whole));
}
const journal = fs.openSync(journalPath, 'a');

function record(entries) {
  if (entries.length === 0) return;
  fs.writeSync(journal, entries.map((e) => JSON.stringify(e) + '\n').join(''));
  fs.fdatasyncSync(journal);
  entries.forEach(remember);
}

/* ---- what is genuine ---- */

// Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)).
function isByASecret(message, signatures) {
  return keys.some((key) => {
    const known = Buffer.from('v1,' + crypto.createHmac('sha256', key).update(message).digest('base64'));
    return signatures.some((s) => s.length === known.length && crypto.timingSafeEqual(s, known));
  });
}

// Standard Webhooks: v1a,base64(ed25519(private key, id.timestamp.body)).
function isByAKey(message, signatures) {
  const sent = signatures.map(String).filter((s) => s.startsWith('v1a,')).slice(0, 8);
  return publicKeys.some((key) =>
    sent.some((s) => crypto.verify(null, message, key, Buffer.from(s.slice(4), 'base64'))));
}

// Signed by who knows a secret, or owns a key; and not too old.
function isGenuine(headers, body) {
  const timestamp = headers['webhook-timestamp'] ?? '';
  const signatures = (headers['webhook-signature'] ?? '').split(' ').map((s) => Buffer.from(s));
  const message = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${timestamp}.`), body]);
  const signed = isByASecret(message, signatures) || isByAKey(message, signatures);
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  return signed && /^\d+$/.test(timestamp) && age <= TOLERANCE_S;
}

/* ---- what is answered ---- */

// Query the payment, close it if it is open, and only then answer. May be asked again.
function closePayment(order) {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(order)) return { outcome: 'expired' }; // never opened
  const file = path.join(payments, order);
  try {
    fs.writeFileSync(file, 'closed', { flag: 'wx' }); // whoever comes first, the customer or we
    return { outcome: 'expired' };
  } catch (why) {
    if (why.code !== 'EEXIST') throw why;
  }
  const state = fs.readFileSync(file, 'utf8').trim();
  if (state === 'paid') return { outcome: 'paid' };
  if (state === 'closed') return { outcome: 'expired' };
  return { outcome: 'later', delay_ms: 2000 }; // being processed: nobody can close it now
}

// The answer about one order, and what to record before it is given.
function settle(key, fenceText, data, entries) {
  const order = data.order_id ?? 'base64:' + data.order_id_base64;
  if (typeof key !== 'string' || !/^\d+\.\d+$/.test(fenceText ?? '')) throw new SyntaxError('fence');
  const fence = fenceText.split('.').map(Number);
  const seen = fences.get(order) ?? [0, 0];
  if (fence[0] < seen[0] || (fence[0] === seen[0] && fence[1] < seen[1])) {
    return { outcome: 'failed', reason: 'a newer fence was seen' };
  }
  const before = settled.get(key) ?? entries.find((e) => e.key === key)?.answer;
  if (before) {
    entries.push({ order, fence });
    return before;
  }
  const answer = closePayment(order);
  const done = answer.outcome === 'expired' || answer.outcome === 'paid';
  entries.push({ order, fence, ...(done && { key, answer }) });
  // Here the stock is released if the outcome is expired: in your database, in one transaction
  // with the key. In this example the journal's line is both.
  return answer;
}

function settleAll(headers, event) {
  const entries = [];
  let status = 200;
  let answer;
  if (event.type === 'order.expired') {
    answer = settle(headers['webhook-id'], headers['orderschedd-fence'], event.data, entries);
    if (answer.outcome === 'failed') status = 409;
  } else if (event.type === 'order.expired.batch') {
    const results = event.data.map((order) => ({
      idempotency_key: order.idempotency_key,
      ...settle(order.idempotency_key, order.fence, order, entries),
    }));
    answer = { results };
  } else {
    throw new SyntaxError('unknown type');
  }
  record(entries);
  return [status, answer];
}

/* ---- HTTP ---- */

function reply(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function receive(request, response, body) {
  if (request.method !== 'POST') return reply(response, 405, { error: 'POST only' });
  if (!isGenuine(request.headers, body)) return reply(response, 401, { error: 'not genuine' });
  try {
    reply(response, ...settleAll(request.headers, JSON.parse(body)));
  } catch (why) {
    const malformed = why instanceof SyntaxError || why instanceof TypeError;
    reply(response, malformed ? 400 : 500, { error: malformed ? 'malformed' : 'try again' });
  }
}

const server = http.createServer((request, response) => {
  const pieces = [];
  let length = 0;
  request.on('data', (piece) => {
    length += piece.length;
    if (length > BODY_MAX) request.destroy();
    else pieces.push(piece);
  });
  request.on('end', () => receive(request, response, Buffer.concat(pieces)));
});
const colon = listen.lastIndexOf(':');
server.listen(Number(listen.slice(colon + 1)), listen.slice(0, colon));
