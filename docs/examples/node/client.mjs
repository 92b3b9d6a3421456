#!/usr/bin/env node
/* client.mjs - a shop's side of orderschedd over HTTP, with Node's own modules alone (18 or newer).
 *
 *     export ORDERSCHED_URLS=http://127.0.0.1:7402,http://127.0.0.1:7412,http://127.0.0.1:7422
 *     node client.mjs schedule order-1 30m cancel-unpaid '{"sku":7}'
 *     node client.mjs pay order-1
 *     node client.mjs work warehouse shop.jsonl     # cancels what is due, until SIGTERM
 *
 * Any node takes any request, so the next one is asked where one does not answer. Exit code 1: refused
 * for good; 3: unknown, the time ran out. ORDERSCHED_TOKEN is sent where it is set. */
import fs from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const urls = (process.env.ORDERSCHED_URLS ?? 'http://127.0.0.1:7402').split(',');
const PATIENCE_MS = 30000; // of a call, with all its attempts

// It did not happen, and no copy of it will: the problem says why, and how the order stands.
class Refused extends Error {
  constructor(problem) {
    super(problem.error);
    this.problem = problem;
  }
}

// It may have happened or not. Call again with the same arguments, or read the order.
class Unknown extends Error {}

// One request, repeated as it is on the next node until it is answered. So give it only what may be
// repeated: PUT, pay, cancel, settle, reads; all else wants an Idempotency-Key.
async function call(method, path, body, timeoutMs = 10000) {
  const headers = { 'content-type': 'application/json' };
  if (process.env.ORDERSCHED_TOKEN) headers.authorization = `Bearer ${process.env.ORDERSCHED_TOKEN}`;
  const until = Date.now() + PATIENCE_MS;
  for (let attempt = 0; ; attempt++) {
    let pauseMs = 200;
    try {
      const answer = await fetch(urls[attempt % urls.length] + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (answer.ok) return await answer.json();
      if (![429, 503, 504].includes(answer.status)) throw new Refused(await answer.json());
      pauseMs = Number(answer.headers.get('retry-after') ?? 0.2) * 1000;
      await answer.arrayBuffer();
    } catch (why) {
      if (why instanceof Refused) throw why; // else: no connection, or no whole answer
    }
    if (Date.now() + pauseMs > until) throw new Unknown();
    await sleep(pauseMs);
  }
}

const orderPath = (order) => '/v1/orders/' + encodeURIComponent(order);
const schedule = (order, delay, route, payload) =>
  call('PUT', orderPath(order), { delay, route, payload });
const pay = (order) => call('POST', orderPath(order) + '/pay');

/* The inbox is a journal, an object a line, on disk before the outcome is reported: Node before 22.5 has
 * no database of its own. In a shop it is a table, and the effect is in the same transaction. */
class Inbox {
  constructor(path) {
    const lines = fs.existsSync(path) ? fs.readFileSync(path, 'utf8').split('\n') : [];
    const rest = lines.pop() ?? ''; // without its end it was not on disk: nobody was told of it
    this.keys = new Set(lines.map((line) => JSON.parse(line).key));
    if (rest) fs.truncateSync(path, fs.statSync(path).size - Buffer.byteLength(rest));
    this.file = fs.openSync(path, 'a');
  }

  // Here you would first close the payment at the platform: docs/callbacks.md.
  cancelOnce(jobs) {
    const fresh = jobs.filter((job) => !this.keys.has(job.key));
    fs.writeSync(this.file, fresh.map(({ key, id }) => JSON.stringify({ key, id }) + '\n').join(''));
    fs.fdatasyncSync(this.file);
    fresh.forEach((job) => this.keys.add(job.key));
  }
}

async function work(route, journal) {
  const inbox = new Inbox(journal);
  const path = '/v1/routes/' + route;
  for (;;) {
    try {
      const ask = { max: 10, wait: '20s', worker: 'node' };
      const { jobs } = await call('POST', path + '/reserve', ask, 25000);
      if (jobs.length === 0) continue;
      inbox.cancelOnce(jobs);
      const reports = jobs.map(({ token }) => ({ token, outcome: 'expired' }));
      const { results } = await call('POST', path + '/settle', { reports });
      jobs.forEach((job, i) =>
        console.log(job.id, results[i].error === 'OK' ? results[i].state : 'comes again'));
    } catch (why) {
      if (!(why instanceof Unknown)) throw why; // what was reserved comes again, under the same keys
    }
  }
}

const [command, ...rest] = process.argv.slice(2);
try {
  if (command === 'schedule' && rest.length === 4) {
    const answer = await schedule(rest[0], rest[1], rest[2], JSON.parse(rest[3]));
    console.log(answer.state, answer.remaining_ms, 'ms left');
  } else if (command === 'pay' && rest.length === 1) {
    console.log((await pay(rest[0])).state);
  } else if (command === 'work' && rest.length === 2) {
    process.on('SIGTERM', () => process.exit(0));
    await work(...rest);
  } else {
    console.error('usage: client.mjs schedule ORDER DELAY ROUTE JSON | pay ORDER | work ROUTE JOURNAL');
    process.exitCode = 2;
  }
} catch (why) {
  if (why instanceof Refused) console.log(why.message, 'the order is', why.problem.order?.state ?? 'not known');
  else if (why instanceof Unknown) console.log('UNKNOWN');
  else throw why;
  process.exitCode = why instanceof Refused ? 1 : 3;
}
