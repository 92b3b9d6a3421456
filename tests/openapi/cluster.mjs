/* cluster.mjs - three nodes, and requests to whichever is next. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const listens = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => resolve(true));
  socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
});

export class Cluster {
  constructor(build) {
    this.build = path.resolve(build);
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'openapi-'));
    this.children = [];
    this.turn = 0;
    const endAll = () => {
      this.children.forEach((c) => c.kill('SIGKILL'));
      fs.rmSync(this.dir, { recursive: true, force: true });
    };
    process.on('exit', endAll); // however this one ends
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));
    this.nodes = 3;
    this.token = undefined;
  }

  async start() {
    this.base = 15000 + (process.pid % 300) * 50;
    while ((await Promise.all([...Array(50).keys()].map((i) => listens(this.base + i)))).some(Boolean)) this.base += 50;
    this.sink = this.base + 49;
    this.secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw';
    const peers = [1, 2, 3].map((i) => `${i}=${this.address(i)}`).join(',');
    for (const i of [1, 2, 3]) this.startNode(i, ['--peers', peers]);
    this.run('ordersink', ['--listen', `127.0.0.1:${this.sink}`, '--secret', this.secret,
      '--journal', path.join(this.dir, 'sink.jsonl')], 'sink');
  }

  address(i) { return `127.0.0.1:${this.base + i * 10}`; }
  url(i) { return `http://127.0.0.1:${this.base + i * 10 + 2}`; }

  startNode(i, more) {
    this.run('orderschedd', ['--id', String(i), '--data', path.join(this.dir, `node-${i}`), ...more], `node-${i}`);
  }

  run(program, args, log) {
    const out = fs.openSync(path.join(this.dir, `${log}.log`), 'a');
    const child = spawn(path.join(this.build, program), args, { stdio: ['ignore', out, out] });
    child.log = log;
    child.on('error', () => {}); // it has no exit code then, and so did not end well
    this.children.push(child);
  }

  /* Ends what was started; what did not end well (with a sanitizer: a leak, say), with its last words. */
  async stop() {
    const ended = (c) => c.pid === undefined || c.exitCode !== null || c.signalCode !== null;
    for (const child of this.children) if (!ended(child)) child.kill('SIGTERM');
    for (let tries = 0; tries < 300 && !this.children.every(ended); tries++) await sleep(100);
    const unwell = this.children.filter((c) => c.exitCode !== 0 && c.log !== 'node-4'); // which was removed
    for (const child of this.children) if (!ended(child)) child.kill('SIGKILL');
    const words = unwell.map((c) => `${c.log} ended with ${c.exitCode ?? c.signalCode}: ` +
        fs.readFileSync(path.join(this.dir, `${c.log}.log`), 'utf8').slice(-1500));
    fs.rmSync(this.dir, { recursive: true, force: true });
    return words;
  }

  /* Of the nodes the next one: {status, headers, text}. */
  async ask(method, where, { headers = {}, body, patience = 60000 } = {}) {
    this.turn = (this.turn % this.nodes) + 1;
    const sent = { prefer: 'wait=30', ...headers };
    if (this.token) sent.authorization ??= `Bearer ${this.token}`;
    if (body !== undefined) sent['content-type'] ??= 'application/json';
    const answer = await fetch(this.url(this.turn) + where, {
      method,
      headers: sent,
      body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  /* Waits until each node is ready, as after a transfer, for 30 s at most. */
  async settled() {
    for (let i = 0; i < this.nodes; i++) {
      for (let tries = 0; tries < 150; tries++) {
        if ((await fetch(this.url(i) + '/readyz').catch(() => ({ status: 0 }))).status === 200) break;
        await sleep(200);
      }
    }
  }

  /* Waits until the nodes answer, 60 s at most. */
  async ready() {
    for (let tries = 0; tries < 300; tries++) {
      try {
        for (let i = 0; i < this.nodes; i++) if ((await this.ask('GET', '/v1/orders?limit=1')).status !== 200) throw Error();
        return;
      } catch { await sleep(200); }
    }
    const log = fs.readFileSync(path.join(this.dir, 'node-1.log'), 'utf8');
    throw new Error('the nodes do not answer: ' + log.slice(-1500));
  }
}
