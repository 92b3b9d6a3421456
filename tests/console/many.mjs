/* many.mjs - a node that holds very many orders: the page stays as quick, and as small, as with few. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';

import { until } from './bed.mjs';

const NODE = 4; // beside the three, a cluster of its own
const NODES_MAX = 2500; // of the document, whatever is shown
const ANSWER_MAX = 64 * 1024; // bytes
const MEMORY_MAX = 16 * 1024 * 1024; // bytes by which the page may grow
const VIEW_MS = 15000; // for a view, on a slow machine
const SEARCH_MS = 60000; // for one that looks at all orders: some seconds, where nothing else runs

/* A sanitizer makes loading them ten times as slow. */
const ordersOf = (build) => Number(process.env.CONSOLE_ORDERS ?? (/-(address|thread|undefined)/.test(path.basename(build)) ? 100000 : 1000000));

async function load(cluster, n) {
  cluster.startNode(NODE, ['--address', cluster.address(NODE)]);
  const url = cluster.url(NODE);
  await until('the node leads', async () => (await fetch(`${url}/readyz`).catch(() => ({}))).status === 200);
  const bench = spawn(path.join(cluster.build, 'orderbench'), ['schedule', '-q', '--orders', String(n), '--timeout', '60s',
    '--endpoints', `127.0.0.1:${cluster.base + NODE * 10 + 1}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(bench, 'exit');
  assert.equal(code, 0, 'the orders are scheduled');
  const ask = (method, where, body) => fetch(url + where, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  assert.equal((await ask('PUT', '/v1/routes/shop', { kind: 'worker' })).status, 201);
  for (const i of [1, 2, 3]) assert.equal((await ask('PUT', `/v1/orders/needle-${i}`, { delay: '10m', route: 'shop' })).status, 201);
  const operations = [...Array(1000).keys()].map((i) => ({ op: 'schedule', id: `soon-${i}`, delay: '30m', route: 'shop' }));
  assert.equal((await ask('POST', '/v1/batch', { operations })).status, 200);
}

async function memoryOf(session) {
  await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((m) => m.name === 'JSHeapUsedSize').value;
}

/* What is shown may have so many elements, came in answers of such a size, and took no longer than anybody waits. */
function watch(page) {
  const large = [];
  page.on('response', async (r) => {
    const body = await r.body().catch(() => '');
    if (body.length > ANSWER_MAX) large.push(`${r.url()}: ${body.length} bytes`);
  });
  return async (what, shown, most = VIEW_MS) => {
    const begun = Date.now();
    await shown();
    const took = Date.now() - begun;
    assert.ok(took < most, `${what}: ${took} ms`);
    const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(nodes < NODES_MAX, `${what}: ${nodes} elements`);
    assert.deepEqual(large, [], what);
    if (process.env.TIMES) console.log(`# ${what}: ${took} ms, ${nodes} elements`);
  };
}

async function a_million_orders_make_the_page_neither_slow_nor_large(bed) {
  const { cluster } = bed;
  const n = ordersOf(cluster.build);
  await load(cluster, n);
  const page = await bed.open('', { node: NODE });
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const view = watch(page);
  const rows = page.getByRole('table', { name: 'Orders', exact: true }).locator('tbody tr');

  await view('the overview', () => page.locator('.card', { hasText: 'Pending' }).getByText((n + 1003).toLocaleString('en-GB')).waitFor());
  // orderbench's orders are due in an hour and more: after some minutes the first of them are among these.
  const coming = await page.getByText(/in the next hour\. Most at/).innerText();
  const [sum, most] = coming.match(/^([\d,]+) in .*: ([\d,]+), /).slice(1).map((text) => Number(text.replaceAll(',', '')));
  assert.ok(sum >= 1003 && sum < n && most >= 1000, coming);
  const before = await memoryOf(session);

  await view('the orders', async () => { await bed.go(page, 'orders'); await until('a page of them', async () => (await rows.count()) === 50); });
  const seen = new Set();
  for (let turn = 0; turn < 10; turn++) {
    const ids = await rows.locator('td:first-child').allInnerTexts();
    assert.ok(ids.every((id) => !seen.has(id)), 'no order is listed twice');
    ids.forEach((id) => seen.add(id));
    await view(`page ${turn + 2}`, async () => {
      await page.getByRole('button', { name: 'More' }).click();
      await until('the next page', async () => (await rows.count()) === 50 && !seen.has(await rows.first().locator('td').first().innerText()));
    });
  }
  // Three among all of them, and one that is not there: nothing is said not to be there before all were looked at.
  const searched = async (prefix, end) => {
    await page.getByLabel('Id or prefix').fill(prefix);
    await page.getByRole('button', { name: 'Search' }).click();
    await until(`${prefix} is looked for to the end`, async () => {
      if (await end()) return true;
      const on = page.getByRole('button', { name: 'Go on looking', disabled: false });
      if (await on.count()) await on.click({ timeout: 1000 }).catch(() => {});
      return false;
    });
  };
  // orderbench's orders are many, and these three among them; what was found stays while it goes on.
  await view('a search by prefix', () => searched('needle-', async () => (
    String((await rows.locator('td:first-child').allInnerTexts()).sort()) === 'needle-1,needle-2,needle-3')), SEARCH_MS);
  await view('a search in vain', () => searched('nowhere-', () => page.locator('main').getByText('None.', { exact: true }).isVisible()), SEARCH_MS);
  await view('the routes', async () => { await bed.go(page, 'routes'); await page.getByRole('row', { name: /^orderbench/ }).waitFor(); });
  await view('the dead letters', async () => {
    await bed.go(page, 'dead');
    await page.locator('main').getByText(/^None( so far, and not all orders were looked at)?\.$/).waitFor();
  });
  await bed.go(page, 'overview');
  await page.getByRole('img', { name: /^Orders due in the next hour/ }).waitFor();
  const grown = (await memoryOf(session)) - before;
  assert.ok(grown < MEMORY_MAX, `the page has grown by ${grown} bytes`);
  await cluster.kill(NODE); // its orders need no care
}

export const scenes = [a_million_orders_make_the_page_neither_slow_nor_large];
