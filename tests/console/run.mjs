/* run.mjs - the console in a browser, on three nodes. Prints TAP.
 *
 *   node tests/console/run.mjs BUILD MODULES BROWSER [--pictures] [PART OF A NAME...] */
import process from 'node:process';

import { Bed } from './bed.mjs';
import * as faults from './faults.mjs';
import * as hostile from './hostile.mjs';
import * as many from './many.mjs';
import { makePictures } from './pictures.mjs';
import * as looks from './looks.mjs';
import * as roles from './roles.mjs';
import * as work from './work.mjs';

const [build, modules, browser, ...words] = process.argv.slice(2);
const parts = words.filter((w) => !w.startsWith('--'));
const bed = new Bed(build);
let tests = 0;
let failed = 0;

function report(name, problem) {
  tests++;
  failed += problem !== undefined;
  console.log(`${problem === undefined ? 'ok' : 'not ok'} ${tests} - ${name}`);
  if (problem !== undefined) console.log('# ' + String(problem?.stack ?? problem).replace(/\n/g, '\n# '));
}

async function run(name, scene) {
  const begun = Date.now();
  try {
    await scene(bed);
    await bed.calm();
    report(name);
  } catch (e) {
    report(name, e);
    await bed.cluster.heal();
    await bed.calm().catch((more) => console.log('# ' + String(more).replace(/\n/g, '\n# ')));
  }
  if (process.env.TIMES) console.log(`# ${(Date.now() - begun) / 1000} s`);
}

try {
  await bed.start(modules, browser);
  await work.prepare(bed);
  if (words.includes('--pictures')) {
    await makePictures(bed);
  } else {
    // The last one switches authorisation on, which stays.
    for (const scene of [work, looks, hostile, faults, many, roles].flatMap((m) => m.scenes)) {
      if (parts.length === 0 || parts.some((p) => scene.name.includes(p))) await run(scene.name.replaceAll('_', ' '), scene);
    }
  }
} catch (e) {
  report('the nodes and the browser start', e);
}
const unwell = await bed.stop();
if (unwell.length > 0 || !words.includes('--pictures')) report('the nodes end well', unwell.length > 0 ? unwell.join('\n') : undefined);
if (!words.includes('--pictures')) console.log(`1..${tests}`);
process.exit(failed > 0 ? 1 : 0);
