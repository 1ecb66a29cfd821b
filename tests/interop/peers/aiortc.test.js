import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('aiortc offers data channels, and answers', async () => {
  const script = new URL('./aiortc_peer.py', import.meta.url).pathname;
  const program = join(process.env.TRANSOM_BIN_DIR, 'transom-interop');
  await promisify(execFile)(process.env.TRANSOM_PYTHON, [script, program], { timeout: 100_000 });
});
