import { beVictim } from './target-victim.js';

const [state, webdav, smb] = process.argv.slice(2);
await beVictim(state!, Number(webdav), Number(smb));
setInterval(() => undefined, 60_000);
