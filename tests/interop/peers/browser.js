// What a test of a browser does, whichever it is; `page` evaluates functions in it.

import { readFileSync } from 'node:fs';
import { Program } from './program.js';

export const script = readFileSync(new URL('./in-page.js', import.meta.url), 'utf8');

export async function browserOffers(page) {
  const program = new Program('answer');
  program.give(await page.evaluate(() => window.interop.offer()));
  const answer = await program.description();
  await page.evaluate((answer) => window.interop.exercise(answer), answer);
  await program.finish();
}

export async function browserAnswers(page) {
  const program = new Program('offer');
  const offer = await program.description();
  program.give(await page.evaluate((offer) => window.interop.echoTo(offer), offer));
  await program.finish();
}
