import t from 'tap';
import { seedsFrom } from '../helpers/cases-interleave.js';
import { kernelShadow } from '../helpers/kernel-shadow.js';

t.test('what the kernel believes of two mounts is what they would answer', (t) => kernelShadow(t, seedsFrom(1, 30)));
