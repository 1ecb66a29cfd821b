import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('a log is what Python reads of its MCAP, of its table and of its files', async () => {
  const script = new URL('./log_readers.py', import.meta.url).pathname;
  const program = join(process.env.TRANSOM_BIN_DIR, 'transom-interop');
  await promisify(execFile)(process.env.TRANSOM_PYTHON, [script, program], { timeout: 60_000 });
});
