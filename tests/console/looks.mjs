/* looks.mjs - both languages, light and dark, a phone's width, the keyboard alone, and what a screen reader is told. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { dialogOf, until } from './bed.mjs';

const VIEWS = ['overview', 'orders', 'orders/other-1', 'routes', 'dead', 'members', 'audit'];
const CHINESE = ['总览', '订单', '路由', '死信', '成员', '审计'];

async function both_languages_say_everything(bed) {
  const page = await bed.open('', { language: 'zh-CN' });
  await page.getByText('实时,来自节点 1').waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  assert.deepEqual(await page.locator('nav a').allInnerTexts(), CHINESE);
  for (const view of VIEWS) {
    await bed.go(page, view);
    assert.match(await page.title(), /^(总览|订单|路由|死信|成员|审计) · orderschedd$/);
    for (const title of await page.locator('main :is(th, h2:not(.id), h3, label, button)').allInnerTexts()) {
      assert.match(title, /[\u4e00-\u9fff]/, `in Chinese: ${view}: ${title}`);
    }
  }
  // No sentence is there in one language alone, or with other places for what changes.
  const { en, zh } = await page.evaluate(async () => (await import('/console/words.js')).words);
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  const places = (text) => [...text.matchAll(/\{\d\}/g)].map(String).sort().join();
  for (const key of Object.keys(en)) assert.equal(places(zh[key]), places(en[key]), key);
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByText('live, from node 1').waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByText('实时,来自节点 1').waitFor();
}

/* In the page: texts that stand out from what is behind them by less than 4.5 to 1 (WCAG 2.2, 1.4.3). */
function faintTexts() {
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const ground = getComputedStyle(at).backgroundColor;
      if (parts(ground)[3] !== 0) return ground;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')]
    .filter((n) => [...n.childNodes].some((c) => c.nodeType === Node.TEXT_NODE && c.data.trim() !== '') && n.checkVisibility())
    .map((n) => {
      const [a, b] = [light(getComputedStyle(n).color), light(behind(n))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), n.textContent.slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
}

async function light_and_dark_can_be_read(bed) {
  const grounds = [];
  for (const scheme of ['light', 'dark']) {
    const page = await bed.open('', { scheme });
    await page.getByText('live, from node 1').waitFor();
    for (const view of VIEWS) {
      await bed.go(page, view);
      assert.deepEqual(await page.evaluate(faintTexts), [], `${scheme} ${view}`);
    }
    await page.getByRole('button', { name: 'Token' }).click();
    await dialogOf(page).waitFor();
    assert.deepEqual(await page.evaluate(faintTexts), [], `${scheme}, a question`);
    grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  assert.equal(new Set(grounds).size, 2);
}

async function a_phone_shows_all_of_it(bed) {
  const page = await bed.open('', { width: 360, height: 640 });
  await page.getByText('live, from node 1').waitFor();
  const tooWide = () => page.evaluate(() => document.scrollingElement.scrollWidth > innerWidth);
  for (const view of VIEWS) {
    await bed.go(page, view);
    assert.equal(await tooWide(), false, `${view} goes off the side`);
    const outside = await page.evaluate(() => [...document.querySelectorAll('nav a, header button, main form :is(input, select, button)')]
      .filter((n) => n.getBoundingClientRect().left < 0 || n.getBoundingClientRect().right > innerWidth).map((n) => n.outerHTML));
    assert.deepEqual(outside, [], view);
    const narrow = await page.evaluate(() => [...document.querySelectorAll('td.id')].filter((n) => n.clientWidth < 120).length);
    assert.equal(narrow, 0, `${view}: a letter a line`);
  }
  // A wide table scrolls by itself, and stays where it was while the view goes on.
  await bed.go(page, 'members');
  const wide = page.locator('.wide');
  await wide.evaluate((n) => { n.scrollLeft = 60; n.querySelector('table').dataset.old = 'yes'; });
  await until('it is drawn anew', async () => (await page.locator('table[data-old]').count()) === 0);
  assert.equal(await wide.evaluate((n) => n.scrollLeft), 60);
  await page.getByRole('button', { name: 'Token' }).click();
  const box = await dialogOf(page).boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, 'the question');
}

const focused = (page) => page.evaluate(() => {
  const at = document.activeElement;
  return at.getAttribute('aria-label') ?? at.innerText ?? at.tagName;
});

async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not come to ${name}`);
}

async function the_keyboard_alone_does_everything(bed) {
  const { cluster } = bed;
  const page = await bed.open('#/members');
  await page.getByRole('table', { name: 'Members' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'To the content');
  const skip = await page.locator('.skip').boundingBox();
  assert.ok(skip.x >= 0 && skip.y >= 0, 'it is seen when it is reached');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  assert.equal(await page.evaluate(() => location.hash), '#/members', 'the view stays');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Transfer the leadership', 'the first behind it');
  // It stays there while the view is drawn anew.
  await page.locator('table').evaluate((n) => { n.dataset.old = 'yes'; });
  await until('it is drawn anew', async () => (await page.locator('table[data-old]').count()) === 0);
  assert.equal(await focused(page), 'Transfer the leadership');

  // A question holds the keyboard, is left with Escape, and gives it back.
  await tabTo(page, 'Token');
  await page.keyboard.press('Enter');
  await dialogOf(page).waitFor();
  for (let i = 0; i < 6; i++) {
    const inside = await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null);
    assert.ok(inside, 'the keyboard leaves the question');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Escape');
  await dialogOf(page).waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'Token');

  for (const [name, title] of [['Routes', 'Routes'], ['Orders', 'Orders'], ['Audit', 'Audit']]) {
    await page.evaluate(() => document.querySelector('.skip').focus()); // the top
    await tabTo(page, name);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: title, exact: true }).waitFor();
    await until('the view has the keyboard', () => page.evaluate(() => document.activeElement.id === 'main'));
  }
  await bed.go(page, 'routes');
  await page.getByRole('button', { name: 'Pause warehouse' }).waitFor();
  await tabTo(page, 'Pause warehouse');
  await page.keyboard.press('Space');
  await dialogOf(page).waitFor();
  assert.equal(await focused(page), 'Leave it', 'what does no harm comes first');
  await tabTo(page, 'Pause');
  await page.keyboard.press('Enter');
  await until('it is paused', async () => (await cluster.must('GET', '/v1/routes/warehouse')).paused);
  await cluster.must('POST', '/v1/routes/warehouse/resume');
}

async function what_is_pressed_is_clicked_however_long_that_takes(bed) {
  const page = await bed.open('#/members');
  const box = await page.getByRole('button', { name: 'Transfer the leadership' }).boundingBox();
  await page.locator('table').evaluate((n) => { n.dataset.old = 'yes'; });
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await sleep(5000); // the view is asked for anew twice
  assert.equal(await page.locator('table[data-old]').count(), 1, 'it stays as it is meanwhile');
  await page.mouse.up();
  await dialogOf(page).getByRole('button', { name: 'Leave it' }).click();
  await until('it is drawn anew', async () => (await page.locator('table[data-old]').count()) === 0);
}

async function a_screen_reader_is_told_what_everything_is(bed) {
  const page = await bed.open('');
  await page.getByText('live, from node 1').waitFor();
  const session = await page.context().newCDPSession(page);
  const named = new Set(['button', 'link', 'textbox', 'searchbox', 'combobox', 'table', 'columnheader', 'image', 'img', 'dialog', 'navigation', 'heading']);
  const check = async (view) => {
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    const seen = nodes.filter((n) => !n.ignored);
    for (const n of seen) {
      if (named.has(n.role?.value)) assert.ok(n.name?.value?.trim(), `${view}: a ${n.role.value} has no name`);
    }
    return (role) => seen.filter((n) => n.role?.value === role).length;
  };
  for (const view of VIEWS) {
    await bed.go(page, view);
    const count = await check(view);
    for (const role of ['main', 'banner', 'navigation']) assert.equal(count(role), 1, `${view}: ${role}`);
    assert.equal(await page.locator('h1').count(), 1);
    assert.equal(await page.locator('nav [aria-current=page]').count(), 1);
  }
  assert.equal(await page.locator('[role=status][aria-live=polite]').count(), 2, 'what changes is said');
  await page.getByRole('button', { name: 'Token' }).click();
  await dialogOf(page).waitFor();
  assert.equal((await check('a question'))('dialog'), 1);
}

export const scenes = [
  both_languages_say_everything,
  light_and_dark_can_be_read,
  a_phone_shows_all_of_it,
  the_keyboard_alone_does_everything,
  what_is_pressed_is_clicked_however_long_that_takes,
  a_screen_reader_is_told_what_everything_is,
];
