import { beDetachedVictim, type Kind, type Work } from './detached-victim.js';

const [kind, work, isUnseen, isKept, name, folder] = process.argv.slice(2);
await beDetachedVictim(kind as Kind, work as Work, isUnseen === 'true', isKept === 'true', name!, folder!);
