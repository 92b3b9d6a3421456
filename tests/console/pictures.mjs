/* pictures.mjs - the pictures of docs/console.md. */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeDead } from './work.mjs';

const AT_MOST = 150 * 1024; // bytes

async function shoot(page, name) {
  const where = `docs/pictures/console-${name}.png`;
  await page.screenshot({ path: where });
  const { size } = fs.statSync(where);
  if (size > AT_MOST) throw new Error(`${where} has ${size} bytes`);
  console.log(`${where}: ${size} bytes`);
}

export async function makePictures(bed) {
  const { cluster } = bed;
  fs.mkdirSync('docs/pictures', { recursive: true });
  await makeDead(bed, 'order-70', 3, 503);
  await cluster.must('POST', '/v1/routes/warehouse/pause');
  const evening = [...Array(4000).keys()].map((i) => ({ op: 'schedule', id: `evening-${i}`, route: 'cancel-unpaid', // two waves, and a sale
    delay_ms: Math.round(60000 * (i % 4 === 0 ? 22 + Math.sin(i) / 3 : 30 + 26 * Math.cos(i * i) * Math.abs(Math.cos(i)))) }));
  while (evening.length > 0) await cluster.must('POST', '/v1/batch', { operations: evening.splice(0, 1000) });
  const overview = await bed.open('', { width: 1000, height: 980 });
  for (let turn = 0; turn < 12; turn++) { // something to be seen
    const operations = [...Array(40 + 20 * (turn % 4)).keys()].flatMap((i) => [
      { op: 'schedule', id: `order-${turn}-${i}`, delay: i % 2 ? '1s' : '30m', route: 'cancel-unpaid' }]);
    await cluster.must('POST', '/v1/batch', { operations });
    await sleep(2000);
  }
  await shoot(overview, 'overview');
  const order = await bed.open('#/orders/order-700', { width: 1000, height: 520 });
  await order.locator('ol.time').waitFor();
  await shoot(order, 'order');
  const phone = await bed.open('#/routes', { width: 390, height: 640, language: 'zh-CN', scheme: 'dark' });
  await phone.locator('table').waitFor();
  await sleep(2500);
  await shoot(phone, 'phone');
}
