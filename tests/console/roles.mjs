/* roles.mjs - authorisation on: who may not is told so in words, and a token is nowhere but in the page's memory. */
import assert from 'node:assert/strict';

import { answerQuestion, dialogOf, said, until } from './bed.mjs';

async function giveToken(page, token) {
  await page.getByRole('button', { name: 'Token' }).click();
  await dialogOf(page).getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await dialogOf(page).waitFor({ state: 'detached' });
}

async function who_may_not_is_told_so_and_tokens_are_in_memory_alone(bed) {
  const { cluster } = bed;
  const make = async (name, role) => (await cluster.must('POST', '/v1/tokens', { name, grants: [{ role }], expires: '1d' })).token;
  const admin = await make('root', 'admin');
  const observer = await make('watch', 'observer');
  cluster.token = admin;
  await cluster.must('PUT', '/v1/authorisation', { on: true });

  const page = await bed.open('');
  const alert = page.locator('main').getByRole('alert');
  await alert.getByText(/^Not allowed: .+ Give the token of a principal that may see the cluster\.$/).waitFor();
  await page.locator('#link').getByText(/^Not allowed: /).waitFor();
  for (const view of ['orders', 'routes', 'dead', 'audit', 'members', 'orders/other-1']) {
    await bed.go(page, view);
    await alert.getByText(/^Not allowed: /).waitFor();
  }
  await giveToken(page, `osdt_${'A'.repeat(43)}`);
  await alert.getByText(/^Not allowed: .*token/).waitFor();

  await bed.go(page, 'overview');
  await giveToken(page, observer);
  await page.getByText('live, from node 1').waitFor();
  await page.getByRole('table', { name: 'Members' }).waitFor();
  await bed.go(page, 'routes');
  await page.getByRole('button', { name: 'Pause warehouse' }).click();
  await answerQuestion(page, 'will not deliver until it is resumed', 'Pause');
  await said(page, /^Not allowed: .+/);
  await bed.go(page, 'orders/other-1');
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await answerQuestion(page, 'Order other-1 will be CANCELLED', 'Cancel order');
  await said(page, /^Not allowed: .+/);
  await bed.go(page, 'members');
  await page.getByRole('button', { name: 'Transfer the leadership' }).click();
  await answerQuestion(page, 'Another voter will lead.', 'Transfer the leadership');
  await said(page, /^Not allowed: .+/);
  await bed.go(page, 'audit');
  await alert.getByText(/^Not allowed: /).waitFor();
  assert.equal((await cluster.must('GET', '/v1/routes/warehouse')).paused, false);
  assert.equal(await cluster.stateOf('other-1'), 'PENDING');

  // Escape leaves the token that is there; "Forget it" does not.
  await page.getByRole('button', { name: 'Token' }).click();
  await dialogOf(page).waitFor();
  await page.keyboard.press('Escape');
  await dialogOf(page).waitFor({ state: 'detached' });
  await bed.go(page, 'overview');
  await page.getByRole('table', { name: 'Members' }).waitFor();
  await giveToken(page, admin);
  await bed.go(page, 'routes');
  await page.getByRole('button', { name: 'Pause warehouse' }).click();
  await answerQuestion(page, 'will not deliver until it is resumed', 'Pause');
  await until('an admin may', async () => (await cluster.must('GET', '/v1/routes/warehouse')).paused);
  const kept = await page.evaluate(async () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie,
    (await indexedDB.databases()).length, history.state, location.href, document.documentElement.outerHTML]));
  assert.ok(!kept.includes('osdt_A') && !kept.includes(admin), 'the token is kept somewhere');
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
  await page.getByRole('button', { name: 'Token' }).click();
  await dialogOf(page).getByRole('button', { name: 'Forget it' }).click();
  await alert.getByText(/^Not allowed: /).waitFor();
  await giveToken(page, admin);
  await page.getByText('live, from node 1').waitFor();
  await page.reload();
  await page.locator('#link').getByText(/^Not allowed: /).waitFor();
}

export const scenes = [
  who_may_not_is_told_so_and_tokens_are_in_memory_alone,
];
