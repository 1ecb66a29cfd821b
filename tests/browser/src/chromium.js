// Headless Chromium with a fake camera and microphone.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream=fps=30',
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
];

export const EXECUTABLE = process.env.TRANSOM_CHROMIUM ?? '/usr/bin/chromium';

// The screen of a phone, and fingers.
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

export function startChromium(more = [], executablePath = EXECUTABLE) {
  return chromium.launch({
    executablePath,
    headless: true,
    args: [...FLAGS, ...more],
  });
}

// A page at the server's origin with `window.bench` (src/in-page.js) in it.
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext(options);
  await context.addInitScript({ path: new URL('./in-page.js', import.meta.url).pathname });
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  await page.goto(url);
  return page;
}

// Waits until a page shows moving pictures.
export function playing(page) {
  return page.waitForFunction(
    () => [...document.querySelectorAll('video')].some((v) => v.getVideoPlaybackQuality().totalVideoFrames > 30),
    undefined,
    { timeout: 15_000 },
  );
}
