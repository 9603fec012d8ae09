import { text } from 'node:stream/consumers';
import { Secret } from '#src/base/secret.js';
import type { TargetDefinition } from '#src/endpoints/definition.js';
import { openTarget } from '#src/endpoints/open.js';
import { HALF, victimContent, victimWrite } from './target-victim.js';

export interface CanaryRequest {
  readonly definition: TargetDefinition;
  readonly password: string;
  readonly state: string;
}

/** Copies a file to a target and reads it back, says `copied`, begins another, and says `half` when half of it is here. */
const { definition, password, state } = JSON.parse(await text(process.stdin)) as CanaryRequest;
const { signal } = new AbortController();
const target = await openTarget(definition, { mayWrite: true, state, signal, password: new Secret(password) });
await target.write('whole', victimContent(), { ...victimWrite, signal });
for await (const item of target.list('', signal)) if (item.name === 'whole') process.stdout.write('copied\n');
await new Promise<void>((half) => {
  const progress = (bytes: number): void => void (bytes >= HALF && half());
  void target.write('half', victimContent([], HALF), { ...victimWrite, progress, signal });
});
process.stdout.write('half\n');
setInterval(() => undefined, 60_000);
