/* bed.mjs - three nodes, a receiver that does as it is told, and a browser whose pages must do nothing they should not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Cluster } from '../openapi/cluster.mjs';

export const PATIENCE_MS = 60000;

/* Until it holds, and for as long as anything may take on a slow machine. Returns what it was at last. */
export async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < end, `in a minute it is not so: ${what}`);
    await sleep(100);
  }
}

class Nodes extends Cluster {
  peers() { return [1, 2, 3].map((i) => `${i}=${this.address(i)}`).join(','); }

  async kill(i) {
    const child = this.children.findLast((c) => c.log === `node-${i}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    this.children.splice(this.children.indexOf(child), 1);
  }

  /* Those that a test left dead. */
  async heal() {
    for (const i of [1, 2, 3]) if (!this.children.some((c) => c.log === `node-${i}`)) this.restart(i);
    await this.ready();
  }

  restart(i) { this.startNode(i, ['--peers', this.peers()]); }

  /* What must go well; as JSON. */
  async must(method, where, body) {
    const answer = await this.ask(method, where, { body });
    assert.ok(answer.status < 300, `${method} ${where}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? null : JSON.parse(answer.text);
  }

  async stateOf(id) { return (await this.must('GET', `/v1/orders/${encodeURIComponent(id)}`)).state; }

  async leader() {
    return until('one node leads', async () => {
      const { members } = await this.must('GET', '/v1/cluster');
      return members.find((m) => m.up && m.status?.role === 'leader')?.id;
    });
  }
}

export class Bed {
  constructor(build) {
    this.cluster = new Nodes(build);
    this.pages = [];
    this.status = 200; // what the receiver answers,
    this.hangs = true; // and whether it does not, at /hang
  }

  async start(modules, program) {
    await this.cluster.start();
    this.receiver = http.createServer((request, response) => {
      if (request.method === 'GET') { // a page of somebody else's
        response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>elsewhere</title>');
        return;
      }
      if (request.url === '/hang' && this.hangs) return;
      request.resume().on('end', () => response.writeHead(this.status, { 'content-length': 0 }).end());
    });
    await new Promise((resolve) => { this.receiver.listen(this.cluster.base + 48, '127.0.0.1', resolve); });
    const { chromium } = createRequire(path.resolve(modules, 'package.json'))('playwright-core');
    this.browser = await chromium.launch({
      executablePath: program,
      // Root's Chromium has no sandbox. No name is asked of anybody: one is this machine, others are nowhere.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu',
        '--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'],
      env: { ...process.env, HOME: this.cluster.dir, XDG_CONFIG_HOME: this.cluster.dir, XDG_CACHE_HOME: this.cluster.dir },
      timeout: PATIENCE_MS,
    });
    await this.cluster.ready();
  }

  async stop() {
    await this.browser?.close();
    this.receiver?.closeAllConnections();
    this.receiver?.close();
    return this.cluster.stop();
  }

  /* A page of its own. What it must never do is noted in `page.wrongs`, and looked at by calm(). */
  async open(where = '#/overview', { node = 1, language = 'en-GB', scheme = 'light', width = 1100, height = 800 } = {}) {
    const context = await this.browser.newContext({ locale: language, colorScheme: scheme, viewport: { width, height }, timezoneId: 'UTC' });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.wrongs = [];
    page.on('pageerror', (e) => page.wrongs.push(`an error: ${e.stack ?? e}`));
    page.on('dialog', (d) => { page.wrongs.push(`a dialog: ${d.message()}`); return d.dismiss(); });
    page.on('console', (m) => { // a request that is refused, or finds no node, is no error of the page
      if (['error', 'warning'].includes(m.type()) && !m.text().startsWith('Failed to load resource')) page.wrongs.push(`said: ${m.text()}`);
    });
    page.on('request', (r) => {
      if (!r.url().startsWith('http://127.0.0.1:') && !r.url().startsWith('data:,')) page.wrongs.push(`asks elsewhere: ${r.url()}`);
    });
    await page.addInitScript(() => {
      globalThis.violations = [];
      document.addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
    });
    this.pages.push(page);
    await page.goto(`${this.cluster.url(node)}/${where}`);
    return page;
  }

  async go(page, name) {
    await page.evaluate((to) => { location.hash = to; }, `#/${name}`);
    await page.locator(`nav a[href="#/${name.split('/')[0]}"][aria-current=page]`).waitFor();
    await page.locator('main :is(h2, [role=alert])').first().waitFor();
  }

  /* Nothing ran that should not, and nothing tried to. Closes the pages. */
  async calm() {
    const wrongs = [];
    for (const page of this.pages) {
      if (!page.isClosed()) wrongs.push(...(await page.evaluate(() => globalThis.violations ?? [])));
      wrongs.push(...page.wrongs);
      await page.context().close();
    }
    this.pages = [];
    assert.deepEqual(wrongs, []);
  }
}

export const dialogOf = (page) => page.getByRole('dialog');

/* Says yes (or whatever the button says) to the question that is asked, which must have this in it. */
export async function answerQuestion(page, says, button) {
  const dialog = dialogOf(page);
  await dialog.getByText(says).first().waitFor();
  const asked = await dialog.elementHandle(); // another may follow
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await until('the question is gone', async () => !(await asked.evaluate((n) => n.isConnected)));
}

export const said = (page, text) => page.locator('#said', { hasText: text }).waitFor();
