import { beAsideVictim, type Kind, type Work } from './aside-victim.js';

const [kind, work, isUnseen, isKept, name, folder] = process.argv.slice(2);
await beAsideVictim(kind as Kind, work as Work, isUnseen === 'true', isKept === 'true', name!, folder!);
