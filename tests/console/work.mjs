/* work.mjs - what an operator does: each view, and each action, with its effect looked at in the cluster. */
import assert from 'node:assert/strict';

import { answerQuestion, dialogOf, said, until } from './bed.mjs';

const DEAD = 60; // more than a page

/* A route that works, one whose orders die, and orders in each state. */
export async function prepare({ cluster, receiver }) {
  const url = `http://127.0.0.1:${receiver.address().port}/`;
  await cluster.must('PUT', '/v1/routes/warehouse', { kind: 'worker' });
  await cluster.must('PUT', '/v1/routes/cancel-unpaid', { kind: 'http', url, secrets: [cluster.secret] });
  await cluster.must('PUT', '/v1/routes/broken', { kind: 'http', url, secrets: [cluster.secret], retries_ms: [], attempts: 1 });
  for (const id of ['shop-1', 'shop-2', 'shop-3', 'other-1']) {
    await cluster.must('PUT', `/v1/orders/${id}`, { delay: '2h', route: 'cancel-unpaid', payload: { sku: 7, total: 1.5 } });
  }
}

/* As many as that become dead letters on the route, as the receiver answers them so. */
export async function makeDead(bed, prefix, n, status) {
  const { cluster } = bed;
  bed.status = status;
  const operations = [...Array(n).keys()].map((i) => ({ op: 'schedule', id: `${prefix}${i}`, delay: '50ms', route: 'broken' }));
  await cluster.must('POST', '/v1/batch', { operations });
  await until(`${n} orders are dead`, async () => {
    let found = 0;
    for (let cursor; cursor !== null;) {
      const page = await cluster.must('GET', `/v1/orders?state=DEAD&prefix=${prefix}&limit=256${cursor ? `&cursor=${cursor}` : ''}`);
      found += page.orders.length;
      cursor = page.cursor;
    }
    return found === n;
  });
  bed.status = 200;
}

async function the_overview_shows_who_leads_and_what_needs_attention(bed) {
  const page = await bed.open('');
  const leader = await bed.cluster.leader();
  await page.getByText('live, from node 1', { exact: true }).waitFor();
  await page.getByText('Authorisation is off: whoever reaches a client port may do everything.').waitFor();
  await page.locator('.card', { hasText: 'Leader' }).locator('b', { hasText: String(leader) }).waitFor();
  const rows = page.getByRole('table', { name: 'Members' }).locator('tbody tr');
  await rows.nth(2).waitFor();
  const told = await rows.allInnerTexts();
  for (const i of [1, 2, 3]) {
    assert.match(told[i - 1], new RegExp(`^${i}\\s+${bed.cluster.address(i)}\\s+${i === leader ? 'leader' : 'follower'}\\s`));
  }
  assert.equal(await page.locator('#cluster').innerText(), 'orderschedd');
  await page.getByRole('img', { name: 'Log entries a second' }).waitFor();
  await page.getByRole('img', { name: /Lateness/ }).waitFor();
  // It goes on by itself.
  const pending = page.locator('.card', { hasText: 'Pending' }).locator('b');
  const before = await pending.innerText();
  await bed.cluster.must('PUT', '/v1/orders/later-1', { delay: '3h', route: 'cancel-unpaid' });
  await until('the new order is counted', async () => (await pending.innerText()) !== before);
}

async function the_overview_shows_what_will_be_due_in_the_next_hour(bed) {
  const { cluster } = bed;
  const asked = Date.now();
  await cluster.must('PUT', '/v1/routes/coming', { kind: 'worker' });
  await cluster.must('POST', '/v1/batch', { operations: [...Array(600).keys()].map((i) => (
    { op: 'schedule', id: `coming-${i}`, deadline_ms: asked - asked % 60000 + 30 * 60000 + (i % 60) * 1000, route: 'coming' })) });
  const at = new Date(asked - asked % 60000 + 30 * 60000).toISOString().slice(11, 16); // the pages' time is UTC
  const page = await bed.open('');
  await page.getByText(`600 in the next hour. Most at ${at}: 600, 10 a second`).waitFor();
  const picture = page.getByRole('img', { name: new RegExp(`^Orders due in the next hour: 600 .*${at}: 600`) });
  const bars = await picture.locator('rect').evaluateAll((all) => all.map((r) => [Number(r.getAttribute('height')), r.textContent]));
  assert.equal(bars.length, 60);
  assert.deepEqual(bars.filter(([height]) => height > 0).map(([, title]) => title), [`${at}: 600, 10 a second`]);
  // The same as a table, which stays open while the view goes on.
  const table = page.getByRole('table', { name: 'Orders due in the next hour' });
  assert.equal(await table.count(), 0, 'it is closed');
  await page.getByText('As a table').click();
  await table.getByRole('row', { name: `${at} 600 10` }).waitFor();
  assert.equal(await table.locator('tbody tr').count(), 1);
  await cluster.must('POST', '/v1/batch', { operations: [...Array(300).keys()].map((i) => ({ op: 'pay', id: `coming-${i}` })) });
  await table.getByRole('row', { name: `${at} 300 5` }).waitFor();
  await cluster.must('POST', '/v1/batch', { operations: [...Array(300).keys()].map((i) => ({ op: 'cancel', id: `coming-${i + 300}` })) });
  await page.locator('main p').getByText('No order is due in the next hour.', { exact: true }).first().waitFor();
  // And what is due now.
  await cluster.must('POST', '/v1/batch', { operations: [...Array(50).keys()].map((i) => ({ op: 'schedule', id: `now-${i}`, delay: '100ms', route: 'cancel-unpaid' })) });
  const now = page.getByRole('img', { name: 'Orders becoming due, a second' });
  await until('they are seen to become due', async () => (await now.locator('rect').evaluateAll((all) => all.some((r) => Number(r.getAttribute('height')) > 0))));
}

async function a_route_whose_receiver_hangs_is_named_with_what_waits(bed) {
  const { cluster } = bed;
  await cluster.must('PUT', '/v1/routes/hanging', { kind: 'http', url: `http://127.0.0.1:${bed.receiver.address().port}/hang`, secrets: [cluster.secret], window: 4, timeout_ms: 1000 });
  await cluster.must('POST', '/v1/batch', { operations: [...Array(80).keys()].map((i) => ({ op: 'schedule', id: `hang-${i}`, delay: '100ms', route: 'hanging' })) });
  const page = await bed.open('');
  const why = /^Route hanging, \d+ orders wait: the receiver is overloaded or does not answer: 1 at a time instead of 4\.$/;
  await page.getByRole('link', { name: why }).waitFor();
  await page.getByRole('link', { name: why }).click();
  const row = page.getByRole('table', { name: 'Routes' }).locator('tr', { hasText: 'hanging' });
  await row.getByText('does not answer: 1 at a time instead of 4').waitFor();
  // Which orders those are is one step away, and one of them says for how long it is due.
  await bed.go(page, 'overview');
  await page.getByRole('link', { name: /^The oldest order that is due waits for/ }).click();
  await page.getByRole('link', { name: /^hang-/ }).first().waitFor();
  assert.equal(await page.getByLabel('State').inputValue(), 'CLOSING');
  await page.getByRole('link', { name: /^hang-/ }).first().click();
  await page.locator('main').getByText(/^due for \d+ (s|min)$/).waitFor();
  await bed.go(page, 'orders');
  await page.getByLabel('State').selectOption(''); // from now on the form says what is looked for
  await page.getByLabel('Id or prefix').fill('other-');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('link', { name: 'other-1' }).waitFor();
  bed.hangs = false;
  await cluster.must('POST', '/v1/routes/hanging/retry');
}

async function orders_are_found_by_prefix_state_and_route(bed) {
  const page = await bed.open('#/orders');
  const ids = async () => page.getByRole('table', { name: 'Orders' }).locator('tbody td:first-child').allInnerTexts();
  await page.getByLabel('Id or prefix').fill('shop-');
  await page.getByRole('button', { name: 'Search' }).click();
  const all = () => until('those with the prefix are listed', async () => String((await ids()).sort()) === 'shop-1,shop-2,shop-3');
  const none = () => page.locator('main').getByText('None.', { exact: true }).waitFor();
  await all();
  await page.getByLabel('Route').selectOption('warehouse');
  await page.getByRole('button', { name: 'Search' }).click();
  await none();
  await page.getByLabel('Route').selectOption('cancel-unpaid');
  await page.getByRole('button', { name: 'Search' }).click();
  await all();
  await page.getByLabel('State').selectOption('PAID');
  await page.getByLabel('Id or prefix').press('Enter');
  await none();
  await page.getByLabel('State').selectOption('');
  await page.getByRole('button', { name: 'Search' }).click();
  await all();
  await page.getByRole('link', { name: 'shop-2' }).click();
  await page.getByRole('heading', { name: 'shop-2' }).waitFor();
  assert.match(await page.locator('ol.time').innerText(), /scheduled → /);
  assert.deepEqual(JSON.parse(await page.locator('pre').innerText()), { sku: 7, total: 1.5 });
  await page.goBack();
  await page.getByRole('link', { name: 'shop-1' }).waitFor();
}

async function an_order_is_paid_and_another_cancelled(bed) {
  const { cluster } = bed;
  const page = await bed.open('#/orders/shop-1');
  await page.getByRole('button', { name: 'Mark paid' }).click();
  await answerQuestion(page, 'Order shop-1 will be PAID', 'Leave it');
  assert.equal(await cluster.stateOf('shop-1'), 'PENDING', 'nothing is done that was left');
  await page.getByRole('button', { name: 'Mark paid' }).click();
  await answerQuestion(page, 'Order shop-1 will be PAID', 'Mark paid');
  await said(page, 'Done.');
  assert.equal(await cluster.stateOf('shop-1'), 'PAID');
  await page.locator('main').getByText('decided: PAID').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Cancel order' }).count(), 0, 'what is decided stays so');
  await bed.go(page, 'orders/shop-2');
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await answerQuestion(page, 'Order shop-2 will be CANCELLED', 'Cancel order');
  await said(page, 'Done.');
  assert.equal(await cluster.stateOf('shop-2'), 'CANCELLED');
  // Somebody else was faster: what is said is the node's own sentence.
  await bed.go(page, 'orders/shop-3');
  await page.getByRole('button', { name: 'Mark paid' }).click();
  await dialogOf(page).waitFor();
  await cluster.must('POST', '/v1/orders/shop-3/cancel');
  await answerQuestion(page, 'Order shop-3 will be PAID', 'Mark paid');
  await said(page, /CANCELLED|decided/);
  await page.locator('main').getByText('decided: CANCELLED').waitFor();
}

async function a_route_is_paused_resumed_and_retried(bed) {
  const { cluster } = bed;
  const paused = async () => (await cluster.must('GET', '/v1/routes/cancel-unpaid')).paused;
  const page = await bed.open('#/routes');
  await page.getByRole('button', { name: 'Pause cancel-unpaid' }).click();
  await answerQuestion(page, 'will not deliver until it is resumed', 'Pause');
  await until('it is paused', paused);
  const row = page.getByRole('table', { name: 'Routes' }).locator('tr', { hasText: 'cancel-unpaid' });
  await row.getByText('the route is paused').waitFor();
  await bed.go(page, 'overview');
  await page.getByText('Route cancel-unpaid is paused: its orders become due and are not delivered.').waitFor();
  await bed.go(page, 'routes');
  await page.getByRole('button', { name: 'Deliver at once cancel-unpaid' }).click();
  await answerQuestion(page, 'is delivered now', 'Deliver at once');
  await said(page, 'Done.');
  await page.getByRole('button', { name: 'Resume cancel-unpaid' }).click();
  await answerQuestion(page, 'will deliver what waits', 'Resume');
  await until('it is resumed', async () => !(await paused()));
  await row.getByText(/^(it is not|not now)/).waitFor();
}

async function a_secret_is_rotated_and_shown_once(bed) {
  const { cluster } = bed;
  const secrets = async () => (await cluster.must('GET', '/v1/routes/cancel-unpaid')).secrets;
  const before = await secrets();
  const page = await bed.open('#/routes');
  assert.equal(await page.getByRole('button', { name: 'New secret warehouse' }).count(), 0, 'a worker has none');
  await page.getByRole('button', { name: 'New secret cancel-unpaid' }).click();
  await answerQuestion(page, 'signs with a new secret as well', 'New secret');
  await dialogOf(page).getByText(/^whsec_[A-Za-z0-9+/=]{32,}$/).waitFor();
  await answerQuestion(page, /^whsec_/, 'Close');
  assert.equal(await secrets(), before + 1);
  assert.doesNotMatch(await page.content(), /whsec_/, 'it is nowhere any more');
}

async function dead_letters_are_counted_redriven_and_dropped_by_filter(bed) {
  const { cluster } = bed;
  await makeDead(bed, 'full-', DEAD, 507);
  await makeDead(bed, 'lost-', 3, 410);
  const page = await bed.open('#/dead');
  const rows = page.getByRole('table', { name: 'Dead letters' }).locator('tbody tr');
  await until('a page of them is shown', async () => (await rows.count()) === 50);
  await page.getByRole('button', { name: 'More' }).click();
  await until('the rest is shown', async () => (await rows.count()) === DEAD + 3 - 50);
  await page.getByLabel('Reason contains').fill('HTTP 410');
  await page.getByRole('button', { name: 'Search' }).click();
  await until('those that match are shown', async () => (await rows.count()) === 3);
  assert.match(await rows.filter({ hasText: 'lost-0' }).innerText(), /lost-0\s+broken\s+1\s.*HTTP 410/s);
  await page.getByRole('button', { name: 'Drop' }).click();
  await answerQuestion(page, '3 dead letters match.', 'Leave it');
  assert.equal(await cluster.stateOf('lost-0'), 'DEAD');
  await page.getByRole('button', { name: 'Drop' }).click();
  await answerQuestion(page, '3 orders end CANCELLED', 'Do it');
  await said(page, '3 of 3 done, 0 not.');
  for (const i of [0, 1, 2]) assert.equal(await cluster.stateOf(`lost-${i}`), 'CANCELLED');
  assert.equal(await cluster.stateOf('full-0'), 'DEAD', 'what the filter does not mean is left');
  // One by itself.
  await bed.go(page, 'orders/full-0');
  await page.getByRole('button', { name: 'Drop' }).click();
  await answerQuestion(page, 'Order full-0 ends CANCELLED', 'Drop');
  await until('it is dropped', async () => (await cluster.stateOf('full-0')) === 'CANCELLED');
  await bed.go(page, 'orders/full-1');
  await page.getByRole('button', { name: 'Redrive' }).click();
  await answerQuestion(page, 'Order full-1 is delivered again', 'Redrive');
  await until('it is delivered', async () => (await cluster.stateOf('full-1')) === 'EXPIRED');
  // All of a route.
  await bed.go(page, 'dead');
  await page.getByLabel('Reason contains').fill('');
  await page.getByLabel('Route').selectOption('broken');
  await page.getByRole('button', { name: 'Redrive' }).click();
  await answerQuestion(page, `${DEAD - 2} dead letters match.`, 'Do it');
  await said(page, `${DEAD - 2} of ${DEAD - 2} done, 0 not.`);
  await until('all are delivered', async () => (await cluster.stateOf(`full-${DEAD - 1}`)) === 'EXPIRED');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.locator('main').getByText('None.', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Redrive' }).click();
  await said(page, '0 dead letters match.');
}

async function the_leadership_is_transferred(bed) {
  const before = await bed.cluster.leader();
  const page = await bed.open('#/members');
  await page.getByRole('button', { name: 'Transfer the leadership' }).click();
  await answerQuestion(page, 'Another voter will lead.', 'Transfer the leadership');
  const after = await until('another leads', async () => {
    const leader = await bed.cluster.leader();
    return leader !== before && leader;
  });
  await page.getByRole('row', { name: new RegExp(`^${after} \\S+ leader`) }).waitFor();
}

async function the_audit_trail_has_what_was_done(bed) {
  const page = await bed.open('#/audit');
  const table = page.getByRole('table', { name: 'Audit' });
  for (const what of ['route pause', 'route rotate', 'redrive', 'drop']) {
    await table.getByText(what).first().waitFor();
  }
}

export const scenes = [
  the_overview_shows_who_leads_and_what_needs_attention,
  the_overview_shows_what_will_be_due_in_the_next_hour,
  a_route_whose_receiver_hangs_is_named_with_what_waits,
  orders_are_found_by_prefix_state_and_route,
  an_order_is_paid_and_another_cancelled,
  a_route_is_paused_resumed_and_retried,
  a_secret_is_rotated_and_shown_once,
  dead_letters_are_counted_redriven_and_dropped_by_filter,
  the_leadership_is_transferred,
  the_audit_trail_has_what_was_done,
];
