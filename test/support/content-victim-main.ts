import { beVictim } from './content-victim.js';

await beVictim(process.argv[2]!, Number(process.argv[3]));
