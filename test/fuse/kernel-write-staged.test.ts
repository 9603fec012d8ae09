import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { writeSuite } from '../support/fuse-write-suite.js';

writeSuite({ driver: kernelDriver, staged: true });
