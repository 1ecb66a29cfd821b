// SIGKILL for the server, a new one on the same ports and state, and the wait for the picture.

// Milliseconds from the new server's start to a page that shows moving pictures again.
export async function recovery(stage, sfu, page) {
  await sfu.program.end('SIGKILL');
  // Long enough that agent and page have noticed and are between two attempts.
  await page.waitForTimeout(3000);
  const begun = Date.now();
  await stage.sfu({ http: sfu.address, udpPort: sfu.udpPort, stateDir: sfu.stateDir });
  await page.evaluate(
    () => new Promise((resolve) => {
      let shown = 0;
      const count = () => {
        shown += 1;
        if (shown === 5) resolve();
      };
      // The page may put a new element in the old one's place: look for any that shows a new picture.
      const frames = new WeakMap();
      const look = () => {
        for (const video of document.querySelectorAll('video')) {
          const total = video.getVideoPlaybackQuality().totalVideoFrames;
          if (frames.has(video) && frames.get(video) !== total && total > 0) count();
          frames.set(video, total);
        }
        if (shown < 5) setTimeout(look, 40);
      };
      look();
    }),
  );
  return Date.now() - begun;
}
