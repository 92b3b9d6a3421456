/* hostile.mjs - orders and receivers that would like to be programs, and pages of other people's. */
import assert from 'node:assert/strict';

import { answerQuestion, until } from './bed.mjs';

const SCRIPT = '<img src=x onerror=alert(1)>';
const IDS = [
  SCRIPT, '"><script>alert(2)</script>', "'-alert(3)-'", 'javascript:alert(4)', '</td></table><h1>5</h1>', '{{7*7}}${7*7}',
  'a/b?c=d#e%2F..', '#/members', 'invoice \u202e7-redro', 'a\u200bb', '订单 № 1', 'W'.repeat(128), '%', ' ', '\\u202e', '__proto__',
];

/* As the page shows what cannot be seen. */
const shown = (id) => id.replace(/[\u202e\u200b]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);

async function hostile_orders_are_only_ever_text(bed) {
  const { cluster } = bed;
  const payloads = [{ payload: { [SCRIPT]: SCRIPT } }, { payload_text: `${SCRIPT}\n\u202e"><script>alert(6)</script>` }];
  for (const [i, id] of IDS.entries()) {
    await cluster.must('PUT', `/v1/orders/${encodeURIComponent(id)}`, { delay: '5h', route: 'warehouse', ...payloads[i % 2] });
  }
  await cluster.must('PUT', '/v1/orders/%ff%fe%3cimg%3e', { delay: '5h', route: 'warehouse', payload_base64: '//4A' });
  const page = await bed.open('#/orders');
  await page.getByLabel('Route').selectOption('warehouse');
  await page.getByRole('button', { name: 'Search' }).click();
  const cells = page.getByRole('table', { name: 'Orders' }).locator('tbody td:first-child a');
  await until('they are listed', async () => (await cells.count()) === IDS.length + 1);
  const listed = await cells.evaluateAll((all) => all.map((a) => a.textContent));
  assert.deepEqual(listed.sort(), [...IDS.map(shown), '%FF%FE%3Cimg%3E'].sort());
  const links = await cells.evaluateAll((all) => all.map((a) => [a.getAttribute('href'), a.textContent]));
  for (const [href, name] of links) {
    await page.evaluate((to) => { location.hash = to; }, href);
    await until(`the order ${name} is shown`, () => page.evaluate((n) => document.querySelector('h2.id')?.textContent === n, name));
    assert.ok((await page.locator('pre').textContent()).length > 0);
    assert.match(await page.locator('ol.time').innerText(), /scheduled/);
  }
  assert.equal(await page.locator('main :is(img, script, h1)').count(), 0);
  // A search for one, and an action on one: the very same bytes arrive.
  await bed.go(page, 'orders');
  await page.getByLabel('Id or prefix').fill(IDS[1]);
  await page.getByRole('button', { name: 'Search' }).click();
  await until('it is found', async () => String(await cells.evaluateAll((all) => all.map((a) => a.textContent))) === IDS[1]);
  for (const [id, name] of [[encodeURIComponent(IDS[6]), IDS[6]], [encodeURIComponent(IDS[8]), shown(IDS[8])], ['%FF%FE%3Cimg%3E', '%FF%FE%3Cimg%3E']]) {
    await bed.go(page, `orders/${id}`);
    await page.getByRole('button', { name: 'Mark paid' }).click();
    await answerQuestion(page, `Order ${name} will be PAID`, 'Mark paid');
    await until(`${name} is paid`, async () => (await cluster.must('GET', `/v1/orders/${id}`)).state === 'PAID');
  }
}

async function hostile_receivers_are_only_ever_text(bed) {
  const { cluster } = bed;
  await cluster.must('PUT', '/v1/routes/stand', { kind: 'worker', retries_ms: [], attempts: 1 });
  for (const i of [0, 1]) await cluster.must('PUT', `/v1/orders/%3ci%3e${i}`, { delay: '50ms', route: 'stand' });
  for (let left = 2; left > 0;) {
    const { jobs } = await cluster.must('POST', '/v1/routes/stand/reserve', { max: 2, wait: '20s' });
    left -= jobs.length;
    const reports = jobs.map(({ token }) => ({ token, outcome: 'failed', reason: `${SCRIPT}"><script>alert(8)</script>\u202e` }));
    await cluster.must('POST', '/v1/routes/stand/settle', { reports });
  }
  const page = await bed.open('#/dead');
  const row = page.getByRole('table', { name: 'Dead letters' }).locator('tbody tr', { hasText: '<i>0' });
  await row.waitFor();
  assert.ok((await row.innerText()).includes(SCRIPT), await row.innerText());
  await bed.go(page, `orders/${encodeURIComponent('<i>0')}`);
  assert.ok((await page.locator('main').innerText()).includes(SCRIPT));
  assert.equal(await page.locator('main :is(img, script, i)').count(), 0);
  await bed.go(page, 'dead');
  await page.getByLabel('Reason contains').fill(SCRIPT);
  await page.getByRole('button', { name: 'Drop' }).click();
  await answerQuestion(page, '2 dead letters match.', 'Do it');
  await until('they are dropped', async () => (await cluster.stateOf('<i>1')) === 'CANCELLED');
}

async function what_would_be_a_program_is_stopped_by_the_policy(bed) {
  const page = await bed.open('');
  await page.getByText('live, from node 1').waitFor();
  const tried = await page.evaluate(async () => {
    const refused = [];
    const attempts = [() => { document.body.innerHTML = '<b>'; }, () => document.body.setAttribute('onclick', 'alert()'),
      () => Object.assign(document.createElement('script'), { text: 'alert()' }), () => document.write('<b>')];
    for (const attempt of attempts) {
      try { attempt(); } catch (e) { refused.push(e.name); }
    }
    const style = document.createElement('style');
    style.textContent = 'body { display: none; }';
    document.head.append(style);
    if (document.body.checkVisibility()) refused.push('style');
    await fetch('http://127.0.0.1:1/').catch(() => refused.push('fetch'));
    await new Promise((resolve) => { setTimeout(resolve); });
    return { refused, violations: globalThis.violations.length };
  });
  assert.deepEqual(tried, { refused: ['TypeError', 'TypeError', 'TypeError', 'TypeError', 'style', 'fetch'], violations: 6 });
  assert.ok(page.wrongs.length > 0, 'and it would have been noticed');
  await page.context().close();
  bed.pages = [];
}

async function pages_of_others_have_no_effect_and_read_nothing(bed) {
  const { cluster } = bed;
  await cluster.must('PUT', '/v1/orders/forged', { delay: '2h', route: 'warehouse' });
  const context = await bed.browser.newContext();
  const page = await context.newPage();
  const node = cluster.url(1);
  // Another program's page, on another port of the same machine.
  await page.goto(`http://127.0.0.1:${bed.receiver.address().port}/`);
  const read = await page.evaluate(async (at) => {
    const found = [];
    const untyped = () => new Blob(['{"delay":"3h"}']);
    for (const [where, options] of [
      ['/v1/orders/forged', {}], ['/metrics', {}],
      ['/v1/orders/forged/pay', { method: 'POST' }],
      ['/v1/orders/forged/cancel', { method: 'POST', mode: 'no-cors' }],
      ['/v1/orders/forged/cancel', { method: 'POST', mode: 'no-cors', body: untyped() }],
      ['/v1/orders/forged/extend', { method: 'POST', mode: 'no-cors', body: untyped() }],
      ['/v1/orders/forged/pay', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }],
    ]) {
      try {
        const answer = await fetch(at + where, options);
        found.push(await answer.text());
      } catch { /* as it must be */ }
    }
    const form = document.createElement('form');
    form.method = 'post';
    form.action = `${at}/v1/orders/forged/cancel`;
    document.body.append(form);
    setTimeout(() => form.submit());
    return found.join('');
  }, node);
  assert.equal(read, '');
  await page.waitForURL('**/cancel');
  assert.match(await page.locator('body').innerText(), /FOREIGN_ORIGIN/);
  // It cannot show the console in a frame of its own either.
  await page.goto(`http://127.0.0.1:${bed.receiver.address().port}/`);
  await page.evaluate((at) => { document.body.append(Object.assign(document.createElement('iframe'), { src: at })); }, node);
  await until('the frame has come to its end', () => page.frames().length > 1 && page.frames()[1].url() !== '' && page.frames()[1].url() !== 'about:blank');
  assert.equal(await page.frames()[1].locator('nav').count(), 0);
  // A name that its owner gave the node's address.
  const port = new URL(node).port;
  await page.goto(`http://evil.example:${port}/`);
  assert.match(await page.locator('body').innerText(), /FOREIGN_ORIGIN/);
  for (const [where, method] of [['/v1/orders/forged', 'GET'], ['/metrics', 'GET'], ['/v1/orders/forged/pay', 'POST']]) {
    const status = await page.evaluate(async ([at, how]) => (await fetch(at, { method: how })).status, [where, method]);
    assert.equal(status, 403, where);
  }
  assert.equal((await cluster.must('GET', '/v1/orders/forged')).version, 1);
  assert.equal(await cluster.stateOf('forged'), 'PENDING');
  // A link from there to the console is one like any other.
  await page.goto(`http://127.0.0.1:${bed.receiver.address().port}/`);
  await page.evaluate((at) => { const a = Object.assign(document.createElement('a'), { href: at }); document.body.append(a); a.click(); }, node);
  await page.getByText('live, from node 1').waitFor();
  await context.close();
}

export const scenes = [
  hostile_orders_are_only_ever_text,
  hostile_receivers_are_only_ever_text,
  what_would_be_a_program_is_stopped_by_the_policy,
  pages_of_others_have_no_effect_and_read_nothing,
];
