/* faults.mjs - nodes that die while the page is open. */
import assert from 'node:assert/strict';

import { said, answerQuestion, until } from './bed.mjs';

async function a_node_that_dies_is_said_to_be_cut_off_and_others_go_on(bed) {
  const { cluster } = bed;
  const dies = await cluster.leader();
  const other = dies === 1 ? 2 : 1;
  const cut = await bed.open('#/routes', { node: dies });
  const goesOn = await bed.open('#/overview', { node: other });
  await cut.getByText(`live, from node ${dies}`).waitFor();
  await goesOn.getByText(`live, from node ${other}`).waitFor();
  await cut.getByRole('table', { name: 'Routes' }).waitFor();

  await cluster.kill(dies);
  // Cut off: it says so, goes on saying how old what it shows is, and does not take it away.
  await cut.getByText(new RegExp(`^Cut off: node ${dies} does not answer\\. What you see is \\d+ s old\\.$`)).waitFor();
  const age = async () => Number((await cut.locator('#link').innerText()).match(/(\d+) s old/)?.[1] ?? 0);
  const first = await age();
  await until('it grows older', async () => (await age()) > first);
  await cut.getByRole('table', { name: 'Routes' }).waitFor();
  assert.match(await cut.locator('#link').getAttribute('class'), /cut/);
  await cut.getByRole('button', { name: 'Pause warehouse' }).click();
  await answerQuestion(cut, 'will not deliver until it is resumed', 'Pause');
  await said(cut, 'It may have been done, or not: look before you repeat it.');
  await bed.go(cut, 'orders');
  await cut.getByRole('alert').getByText('The node does not answer.').waitFor();

  // The one that goes on shows who leads now, and who is missing.
  await goesOn.getByText(`Node ${dies} does not answer.`).waitFor();
  await goesOn.getByText('2 of 3 voters answer: if one more fails, nothing is decided any more.').waitFor();
  const leads = await until('another leads', async () => {
    const text = await goesOn.locator('.card', { hasText: 'Leader' }).locator('b').innerText();
    return text !== String(dies) && text !== '–' && text;
  });
  await goesOn.getByRole('row', { name: new RegExp(`^${leads} \\S+ leader`) }).waitFor();
  await goesOn.getByText(`live, from node ${other}`).waitFor();

  cluster.restart(dies);
  await cut.getByText(`live, from node ${dies}`).waitFor();
  // Without being asked it shows what it could not.
  await cut.getByLabel('Id or prefix').waitFor();
  assert.equal(await cut.getByRole('alert').count(), 0);
  await goesOn.getByText(`Node ${dies} does not answer.`).waitFor({ state: 'detached' });
}

async function without_a_majority_the_page_says_that_nothing_is_decided(bed) {
  const { cluster } = bed;
  const leader = await cluster.leader();
  const [stays, ...others] = [leader, ...[1, 2, 3].filter((i) => i !== leader)];
  const page = await bed.open('#/overview', { node: stays });
  await page.getByText(`live, from node ${stays}`).waitFor();
  for (const i of others) await cluster.kill(i);
  await page.getByText('No leader: nothing is decided now.').waitFor();
  // What this node knows is not 0, and is said to be its own.
  await page.getByText(`These are the numbers of node ${stays}, as of its last entry`).waitFor();
  assert.notEqual(await page.locator('.card', { hasText: 'Pending' }).locator('b').innerText(), '0');
  await page.getByText(`live, from node ${stays}`).waitFor();
  for (const i of others) cluster.restart(i);
  await page.getByText('No leader: nothing is decided now.').waitFor({ state: 'detached' });
  await cluster.ready();
}

export const scenes = [
  a_node_that_dies_is_said_to_be_cut_off_and_others_go_on,
  without_a_majority_the_page_says_that_nothing_is_decided,
];
