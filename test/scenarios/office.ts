import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePackages } from '#src/cli/packages.js';
import { Desktop, until } from '../support/desktop.js';
import { mounted } from '../support/mounted.js';
import { atServer, drained, PATIENT, savedOnce, settings } from '../support/programs.js';
import type { Scenario } from './scenarios.js';

const LOCK = '.~lock.letter.odt#';

/** LibreOffice converts a document into the mount, then opens it in a window, edits and saves it. */
export async function officeScenario(t: Scenario): Promise<void> {
  ensurePackages(['libreoffice-writer'], (line) => t.comment(line));
  const project = await mounted(t, settings, PATIENT);
  const { installation, mnt } = project;
  const desktop = await Desktop.start(t, installation);
  const source = join(installation.folder, 'letter.txt');
  writeFileSync(source, 'Dear all\n');
  await desktop.run('soffice', ['--headless', '--convert-to', 'odt', '--outdir', mnt, source]);
  await drained(project);
  const converted = await atServer(project);
  t.equal([...converted.keys()].sort().join(), 'Schedules,letter.odt', 'what is at the server after converting');
  t.equal(converted.get('letter.odt')?.versions, 1, 'versions after converting');
  await savedOnce(
    t,
    project,
    'letter.odt',
    async (path) => {
      const office = desktop.start('soffice', ['--norestore', '--nologo', path]);
      await desktop.window('letter.odt');
      await until('the lock is there', async () => (await readdir(mnt)).includes(LOCK));
      await drained(project);
      t.equal((await atServer(project)).has(LOCK), false, 'the lock at the server');
      await desktop.type('And ');
      await desktop.keys('ctrl+s', 'ctrl+q');
      await until('LibreOffice has ended', async () => office.exitCode !== null);
    },
    'LibreOffice',
  );
  t.equal((await readdir(mnt)).sort().join(), 'Schedules,letter.odt', 'what is left here');
  const text = await desktop.run('soffice', ['--headless', '--cat', join(mnt, 'letter.odt')]);
  t.ok(text.includes('And Dear all'), `the text: ${text}`);
}
